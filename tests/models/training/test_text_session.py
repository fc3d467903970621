"""A run that makes a new text tower: what decides it, and what it leaves."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.training.distill_texts import DistillationError
from models.training.parts import TextTower
from models.training.recipe import OptimPart
from models.training.text_pairs import TextPairs, text_pairs
from models.training.text_session import TextPlan, TextSession, new_student
from tests.support.tiny_bundle import COLOURS

SIZE = TextTower(context_length=24, vocabulary=280, width=16, heads=2, layers=1)
PAIRS = text_pairs([f"{word} {colour}" for colour in COLOURS for word in ("big", "small")], [], "lower")


@pytest.fixture(scope="module")
def teacher(tiny_bundle: Path) -> Bundle:
    """It answers at once."""
    return Bundle.open(tiny_bundle)


def _plan(steps: int = 2, **changes: object) -> TextPlan:
    optim = OptimPart(steps=steps, batch=4, learning_rate=1e-2, weight_decay=0.05, warmup=0.1)
    return TextPlan.model_validate({"name": "new", "held_out": 3, "text": SIZE, "optim": optim, **changes})


def test_a_student_is_decided_by_its_seed() -> None:
    """Equal seeds give equal weights, others do not; of open_clip's model only the text side is kept."""
    texts = list(COLOURS)
    one, two, other = (new_student(16, SIZE, texts, seed) for seed in (1, 1, 2))

    weights, same, others = (student.model.state_dict() for student in (one, two, other))
    assert weights.keys() == others.keys()
    assert all(torch.equal(value, same[name]) for name, value in weights.items())
    assert not torch.equal(weights["token_embedding.weight"], others["token_embedding.weight"])
    assert not [name for name in weights if name.startswith("visual")]
    assert one.text.eot_id == one.ids(["red"])[0].max()


def test_a_session_learns_and_answers_for_what_it_held_out(teacher: Bundle, tmp_path: Path) -> None:
    """Both towers' vectors have unit norm and one dimension; a run brings the new ones nearer to the teacher's."""
    session = TextSession(teacher, PAIRS, _plan(30), tmp_path)
    before, theirs = session.answers()

    assert 30 == [step.number for step in session.run()][-1]

    after, again = session.answers()
    assert (3, 16) == before.shape == theirs.shape == after.shape
    assert (theirs == again).all()
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    assert (after * theirs).sum() > (before * theirs).sum()
    assert (13, 3) == (len(session.learnt), len(session.held_out))
    assert [session.checkpoint] == list(tmp_path.iterdir())


def test_what_decides_a_run_names_its_checkpoint(teacher: Bundle, tmp_path: Path) -> None:
    """Other settings, or other captions, have another file and begin anew; equal ones go on."""
    fewer = TextPairs(PAIRS.captions[:-1], PAIRS.read[:-1])
    sessions = [
        TextSession(teacher, PAIRS, _plan(), tmp_path),
        TextSession(teacher, PAIRS, _plan(3), tmp_path),
        TextSession(teacher, PAIRS, _plan(seed=1), tmp_path),
        TextSession(teacher, fewer, _plan(), tmp_path),
    ]

    assert 4 == len({session.checkpoint for session in sessions})
    assert 2 == len(list(sessions[0].run()))
    assert [] == list(TextSession(teacher, PAIRS, _plan(), tmp_path).run())


def test_texts_that_lose_their_end_are_counted(teacher: Bundle, tmp_path: Path) -> None:
    """A caption longer than the context is learnt without its end, and is told of."""
    long = text_pairs([*PAIRS.captions, *(f"{colour} " * 40 for colour in COLOURS)], [], "lower")

    assert 0 == TextSession(teacher, PAIRS, _plan(), tmp_path).cut()
    assert 0.1 < TextSession(teacher, long, _plan(), tmp_path).cut() < 0.5


def test_fewer_captions_than_a_batch_are_refused(teacher: Bundle, tmp_path: Path) -> None:
    """What is held out is no longer there to learn from."""
    with pytest.raises(DistillationError, match="a batch of 4 needs as many captions"):
        TextSession(teacher, PAIRS, _plan(held_out=14), tmp_path)
