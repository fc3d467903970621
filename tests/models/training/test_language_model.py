"""The language model that a run trains for itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.negatives.errors import CorpusTooSmall, MaskedLmInvalid
from models.negatives.masked_lm import load_masked_lm
from models.negatives.masked_training import MlmSettings
from models.scenes.corpus import example
from models.training.editors import make_editor
from models.training.language_model import check_language_model, with_language_model
from models.training.pairs import caption_of
from models.training.parts import EditsPart

GROUPS = [example("train", number, 0, 32).captions for number in range(12)]
SHORT = MlmSettings(steps=2, batch=8, width=16, layers=1, vocabulary=100)
OWN = EditsPart(rules=0, masked=1, own_lm=True, likelihood=100)


def test_it_is_of_the_captions_and_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows their words and edits them; whoever asks again with the same captions finds it, with others another."""
    asked = with_language_model(OWN, GROUPS, tmp_path, settings=SHORT)
    drawn = make_editor(asked, GROUPS).edit([caption_of(texts, 2) for texts in GROUPS], np.random.default_rng(0))
    other = with_language_model(OWN, GROUPS[:8], tmp_path, settings=SHORT)
    monkeypatch.delattr("models.training.language_model.train_masked_lm")
    again = with_language_model(OWN, GROUPS, tmp_path, settings=SHORT)

    assert asked.masked_lm is not None
    assert load_masked_lm(asked.masked_lm).knows("red")
    assert {"mlm"} == {edit.kind for edit in drawn if edit is not None}
    assert asked == again
    assert asked.masked_lm != other.masked_lm
    assert OWN.model_copy(update={"own_lm": False, "masked_lm": asked.masked_lm}) == asked


def test_it_is_told_how_far_it_is(tmp_path: Path) -> None:
    """Step by step; what is there already says nothing."""
    heard: list[tuple[int, int]] = []
    for _ in range(2):
        with_language_model(OWN, GROUPS, tmp_path, lambda _, done, of: heard.append((done, of)), SHORT)

    assert [(1, 2), (2, 2)] == heard


def test_it_lies_with_the_edits_that_are_kept(tmp_path: Path) -> None:
    """What keeps its edits keeps the model too: on another machine neither is made anew."""
    part = OWN.model_copy(update={"cache": tmp_path / "edits"})

    asked = with_language_model(part, GROUPS, tmp_path / "work", settings=SHORT)

    assert asked.masked_lm is not None
    assert tmp_path / "edits" == asked.masked_lm.parent
    assert not (tmp_path / "work").exists()


def test_who_asks_for_none_gets_none(tmp_path: Path) -> None:
    """Rules, and a model that is there, are left as they are; nothing is written."""
    for part in (EditsPart(), EditsPart(masked=1, masked_lm=tmp_path / "mlm")):
        assert part is with_language_model(part, GROUPS, tmp_path / "work", settings=SHORT)
    assert [] == list(tmp_path.iterdir())


def test_what_a_run_draws_does_not_depend_on_it(tmp_path: Path) -> None:
    """A run that trains one first has the same chance as one that finds it."""
    torch.manual_seed(3)
    with_language_model(OWN, GROUPS, tmp_path, settings=SHORT)
    after = torch.rand(3)
    torch.manual_seed(3)
    with_language_model(OWN, GROUPS, tmp_path, settings=SHORT)

    assert torch.equal(after, torch.rand(3))


def test_few_captions_are_refused(tmp_path: Path) -> None:
    """A model of a handful of captions is none; nothing is left behind."""
    with pytest.raises(CorpusTooSmall):
        with_language_model(OWN, GROUPS[:2], tmp_path, settings=SHORT)
    assert [] == list(tmp_path.iterdir())


def test_a_model_that_is_named_is_looked_for(tmp_path: Path) -> None:
    """One that is there, or is yet to be trained, is well; one that is missing is told."""
    named = with_language_model(OWN, GROUPS, tmp_path, settings=SHORT)

    for part in (None, EditsPart(), OWN, named):
        check_language_model(part)
    missing = tmp_path / "nowhere"
    for part in (EditsPart(masked=1, masked_lm=missing), EditsPart(masked=1, hugging_face=str(missing))):
        with pytest.raises(MaskedLmInvalid, match="nowhere"):
            check_language_model(part)
