"""A new text tower before vectors that stay."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from models.bundle import BUILT_IN, Bundle
from models.open_clip_import import import_open_clip
from models.ort import Runtime
from models.scenes.captions import describe
from models.scenes.corpus import example
from models.scenes.grammar import sample_scene
from models.training import distill_texts as module
from models.training.distill_texts import DistillationError, TextDistiller, TextTower, distill_texts
from models.training.recipe import OptimPart
from models.training.teachers import BundleTeacher
from models.training.tokenizer import token_ids, train_tokenizer

# scenes-s has a context of 64; the brief captions are far shorter
CONTEXT = 64
BRIEF = 3
CAPTIONS = ("red", "green square", "a photo of the blue circle", "yellow dog", "white cat on the left", "black")


def _student(dim: int, vocabulary: int, width: int = 64) -> TextTower:
    """One layer of a text tower, in a model whose image tower is as small as can be."""
    import_open_clip()
    from open_clip.model import CLIP

    text: Any = {
        "context_length": CONTEXT, "vocab_size": vocabulary, "width": width, "heads": 2, "layers": 1,
    }  # fmt: skip
    vision: Any = {"image_size": 32, "patch_size": 16, "width": 16, "layers": 1, "head_width": 16}
    torch.manual_seed(0)
    return TextTower(CLIP(dim, vision, text))


def _optim(steps: int, batch: int, **changes: object) -> OptimPart:
    fields = {"learning_rate": 3e-3, "weight_decay": 0.05, "warmup": 0.05, **changes}
    return OptimPart.model_validate({"steps": steps, "batch": batch, **fields})


SIX = _optim(6, 2)


@pytest.fixture(scope="module")
def tiny(tiny_bundle: Path) -> BundleTeacher:
    """A teacher that answers at once."""
    return BundleTeacher(Bundle.open(tiny_bundle))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """The student's own, which is not the teacher's."""
    return train_tokenizer(CAPTIONS, 300)


def _tiny_run(
    tiny: BundleTeacher,
    tokenizer: Tokenizer,
    optim: OptimPart = SIX,
    *,
    dim: int = 16,
    captions: Sequence[str] = CAPTIONS,
    translations: Sequence[str] | None = None,
) -> TextDistiller:
    """A student of 16 channels and the tiny bundle, on six captions."""
    student = _student(dim, tokenizer.get_vocab_size(), width=16)
    return TextDistiller(
        tiny, student, lambda texts: token_ids(tokenizer, texts), captions, optim, translations=translations
    )


def _overlap(index: torch.Tensor, one: torch.Tensor, other: torch.Tensor, k: int = 5) -> float:
    """Share of the first k pictures that two towers' queries have in common, in the mean."""
    found = [(queries @ index.T).topk(k).indices.tolist() for queries in (one, other)]
    return float(np.mean([len({*mine} & {*theirs}) / k for mine, theirs in zip(*found, strict=True)]))


def test_a_new_text_tower_finds_in_an_old_index_what_the_teacher_finds() -> None:
    """Taught on captions alone, a smaller tower ranks pictures that the bundle embedded before as the bundle does.

    Pictures and queries are of scenes that it never saw, with combinations that training never shows.
    """
    teacher = BundleTeacher(Bundle.open(BUILT_IN / "scenes-s", runtime=Runtime(threads=1)))
    held_out = [example("test", number, 5) for number in range(40)]
    index = teacher.images(np.stack([each.image for each in held_out]))
    queries = [each.captions[BRIEF] for each in held_out]
    rngs = [np.random.default_rng([9, number]) for number in range(640)]
    captions = [describe(sample_scene(rng, "train"), rng)[BRIEF].text for rng in rngs]
    tokenizer = train_tokenizer(captions, 400)
    student = _student(128, tokenizer.get_vocab_size())
    before = {name: value.clone() for name, value in student.model.visual.state_dict().items()}
    said = teacher.texts(queries)

    def tokenize(texts: Sequence[str]) -> torch.Tensor:
        return token_ids(tokenizer, texts)

    def overlap() -> float:
        with torch.no_grad():
            return _overlap(index, said, student.eval()(tokenize(queries)))

    first = overlap()
    losses = [step.loss for step in TextDistiller(teacher, student, tokenize, captions, _optim(130, 48)).run()]

    # chance: 5 of 40
    assert first < 0.25
    assert overlap() > 0.6
    assert np.mean(losses[-5:]) < 0.2 < losses[0]
    assert all(torch.equal(before[name], value) for name, value in student.model.visual.state_dict().items())


def test_translations_are_read_and_captions_meant(tiny: BundleTeacher, tokenizer: Tokenizer) -> None:
    """Given other words for each caption, the tower learns to say of those what the teacher says of the captions."""
    others = [" ".join(reversed(caption)) for caption in CAPTIONS]
    run = _tiny_run(tiny, tokenizer, _optim(60, 2, learning_rate=1e-2), translations=others)

    losses = [step.loss for step in run.run()]

    with torch.no_grad():
        said = run._tower.eval()(token_ids(tokenizer, others))
    assert losses[-1] < 0.1 < losses[0]
    assert (said * tiny.texts(CAPTIONS)).sum(dim=1).min() > 0.8


def test_every_caption_comes_once_an_epoch(tiny: BundleTeacher, tokenizer: Tokenizer) -> None:
    """Six captions in batches of two: three steps show each once, the next three again in another order."""
    run = _tiny_run(tiny, tokenizer)

    rows = [run._rows(step).tolist() for step in range(6)]

    assert [*range(6)] == sorted(chain(*rows[:3])) == sorted(chain(*rows[3:]))
    assert rows[:3] != rows[3:]


def test_a_killed_run_ends_with_the_same_weights(
    tmp_path: Path, tiny: BundleTeacher, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped twice, a run goes on from its file to the very weights of one that was not stopped; then nothing is left."""
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    whole = _tiny_run(tiny, tokenizer)
    list(whole.run())
    path = tmp_path / "new" / "run.pt"
    for stop in (3, 4):
        for step in distill_texts(_tiny_run(tiny, tokenizer), path):
            if step.number == stop:
                break

    last = _tiny_run(tiny, tokenizer)

    assert [5, 6] == [step.number for step in distill_texts(last, path)]
    assert [] == list(distill_texts(_tiny_run(tiny, tokenizer), path))
    for name, value in whole._tower.state_dict().items():
        assert torch.equal(value, last._tower.state_dict()[name]), name
    assert [path] == list(path.parent.iterdir())


class _Forgetful(torch.nn.Module):
    """A tower that leaves out some of what it knows at each step, by torch's own chance."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower
        self.dropout = torch.nn.Dropout(0.2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        return torch.nn.functional.normalize(self.dropout(self.tower(ids)), dim=-1)


class _Listening(BundleTeacher):
    """A teacher that notes which texts it is asked for at once."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.asked: list[tuple[str, ...]] = []

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """As a bundle answers."""
        self.asked.append(tuple(texts))
        return super().texts(texts)


def test_what_chance_and_company_decide_is_resumed_too(
    tmp_path: Path, tiny_bundle: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is stopped in its second epoch ends with an unbroken one's weights, moments and random numbers, to the bit.

    The tower has dropout. The teacher, of whom a resumed run remembers nothing, is asked for each caption beside the same
    others, because a vector's last bit may depend on them; one caption more than fits the batches is among them.
    """
    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    captions = (*CAPTIONS, "white")

    def fresh() -> tuple[TextDistiller, _Listening]:
        teacher = _Listening(Bundle.open(tiny_bundle))
        tower = _Forgetful(_student(16, tokenizer.get_vocab_size(), width=16))
        torch.manual_seed(3)
        run = TextDistiller(teacher, tower, lambda texts: token_ids(tokenizer, texts), captions, _optim(9, 2))
        return run, teacher

    whole, always = fresh()
    list(whole.run())
    expected = whole.state()
    path = tmp_path / "run.pt"
    for step in distill_texts(fresh()[0], path):
        if step.number == 5:
            break
    # another process has drawn other numbers since
    torch.rand(7)
    last, later = fresh()

    assert [5, 6, 7, 8, 9] == [step.number for step in distill_texts(last, path)]

    found = last.state()
    assert 9 == found["step"] == expected["step"]
    _assert_equal(expected, found)
    company = {text: each for each in always.asked for text in each}
    assert later.asked
    assert all(company[text] == each for each in later.asked for text in each)
    assert len(captions) == sum(map(len, always.asked)), "each caption is asked for once"


def _assert_equal(one: object, other: object) -> None:
    """To the bit, through dictionaries and lists."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            _assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            _assert_equal(first, second)
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ema": 0.9}, "optim.ema would do nothing"),
        ({"chunk": 2, "compile": True}, "optim.chunk, optim.compile would do nothing"),
        ({"image_rate": 0.0}, "optim.image_rate would"),
        ({"text_rate": 0.5}, "optim.text_rate would"),
        ({"checkpointing": True}, "optim.checkpointing would"),
        ({"precision": "fp16"}, "optim.precision: fp16 needs"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    tiny: BundleTeacher, tokenizer: Tokenizer, changes: dict[str, object], named: str
) -> None:
    """Whoever sets what such a run does not go by is told, before anything is learnt; what is at its default is nobody's wish."""
    with pytest.raises(DistillationError, match=named):
        _tiny_run(tiny, tokenizer, _optim(2, 2, **changes))


def test_gradients_are_clipped_as_the_recipe_says(tiny: BundleTeacher, tokenizer: Tokenizer) -> None:
    """A smaller greatest norm makes another step: the setting is gone by."""
    weights: list[torch.Tensor] = []
    for clip in (1.0, 1e-9):
        run = _tiny_run(tiny, tokenizer, _optim(2, 2, clip=clip))
        list(run.run())
        weights.append(next(run._tower.parameters()).detach())

    assert not torch.equal(*weights)


def test_a_damaged_checkpoint_is_named(tmp_path: Path, tiny: BundleTeacher, tokenizer: Tokenizer) -> None:
    """Half a file is no state, nor is one with a changed bit: the message names it and says what to do."""
    path = tmp_path / "run.pt"
    list(distill_texts(_tiny_run(tiny, tokenizer, _optim(1, 2)), path))
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for damaged in (whole[:500], bytes(changed), b""):
        path.write_bytes(damaged)
        with pytest.raises(
            DistillationError, match=r"run\.pt is damaged or of another tower .*: remove it to begin anew"
        ):
            next(distill_texts(_tiny_run(tiny, tokenizer), path))


def test_bf16_learns_too(tiny: BundleTeacher, tokenizer: Tokenizer) -> None:
    """Under autocast the loss is a float32 that falls."""
    run = _tiny_run(tiny, tokenizer, _optim(30, 2, precision="bf16", learning_rate=1e-2))

    losses = [step.loss for step in run.run()]

    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 12}, "the text tower has 12 dimensions and the index's model 16"),
        ({"translations": ("rot",)}, "1 translations of 6 captions: give one for each"),
        ({"captions": ("red",)}, "a batch of 2 needs as many captions, and there are 1"),
    ],
)
def test_what_cannot_be_taught_is_refused(
    tiny: BundleTeacher, tokenizer: Tokenizer, changes: dict[str, Any], message: str
) -> None:
    """Another dimension, missing translations and too few captions are errors that say both numbers."""
    with pytest.raises(DistillationError, match=message):
        list(_tiny_run(tiny, tokenizer, **changes).run())
