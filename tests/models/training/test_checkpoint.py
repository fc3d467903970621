"""Resuming from a file."""

import pickle
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from models.training.batches import Batches
from models.training.checkpoint import (
    CheckpointUnreadable,
    checkpoint_path,
    recipe_digest,
    resume,
    save_checkpoint,
    write_state,
)
from models.training.data import SceneArrays, load_scenes
from models.training.loop import Trainer
from models.training.objective import Objective
from models.training.tokenizer import train_tokenizer
from models.training.towers import build_towers
from tests.models.training.small import small_recipe


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> SceneArrays:
    """Eight training scenes of 64 pixels."""
    return load_scenes(tmp_path_factory.mktemp("cache"), "train", 8, seed=2, size=64)


@pytest.fixture
def trainer(tmp_path: Path, scenes: SceneArrays) -> Trainer:
    """A fresh trainer of the small recipe."""
    recipe = small_recipe(tmp_path)
    tokenizer: Tokenizer = train_tokenizer((text for texts in scenes.captions for text in texts), 512)
    batches = Batches(scenes, tokenizer, recipe.optim.batch, recipe.seed)
    return Trainer(recipe, Objective(build_towers(recipe, tokenizer.get_vocab_size())), batches)


def test_without_a_checkpoint_a_run_begins(tmp_path: Path, trainer: Trainer) -> None:
    """No file is no error: the trainer stays at its first step."""
    assert not resume(trainer, tmp_path / "none.pt")
    assert 0 == trainer.step


def test_a_checkpoint_sets_step_and_weights(tmp_path: Path, trainer: Trainer) -> None:
    """After resuming, the trainer has the step and the weights that were saved."""
    list(trainer.run(until=2))
    save_checkpoint(tmp_path / "state.pt", trainer)
    saved = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with torch.no_grad():
        trainer.model.logit_scale.zero_()
    trainer.step = 0

    assert resume(trainer, tmp_path / "state.pt")
    assert 2 == trainer.step
    for name, value in saved.items():
        torch.testing.assert_close(value, trainer.model.state_dict()[name], rtol=0, atol=0)


class _Payload:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1/0",)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", pickle.dumps(_Payload(), 2), pickle.dumps({"step": 1}, 2)],
    ids=["empty", "text", "code", "other"],
)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, trainer: Trainer, content: bytes) -> None:
    """What is not a checkpoint is an error that names the file and the way out; nothing in it is executed."""
    path = tmp_path / "state.pt"
    path.write_bytes(content)

    with pytest.raises(CheckpointUnreadable, match=r"state\.pt is damaged .*: put it back"):
        resume(trainer, path)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, trainer: Trainer) -> None:
    """A checkpoint of other towers is an error, not half a load; nobody is told to remove a run that is whole."""
    write_state(tmp_path / "state.pt", {**trainer.state(), "model": {"other": torch.zeros(1)}})

    with pytest.raises(CheckpointUnreadable, match=r"of other towers, or of another release .*: go on with the code"):
        resume(trainer, tmp_path / "state.pt")


def test_a_checkpoint_that_may_not_be_read_is_not_damaged(tmp_path: Path, trainer: Trainer) -> None:
    """What the system says is told as it is: a folder in its place, for one."""
    (tmp_path / "state.pt").mkdir()

    with pytest.raises(CheckpointUnreadable, match=r"state\.pt cannot be read \(Is a directory\)"):
        resume(trainer, tmp_path / "state.pt")


def test_a_changed_recipe_has_another_checkpoint(tmp_path: Path) -> None:
    """Equal recipes on equal data share a checkpoint; any changed value begins anew, and so do other data."""
    one, same = small_recipe(tmp_path), small_recipe(tmp_path)
    other = small_recipe(tmp_path, ("seed = 5", "seed = 6"))

    first, again, changed = (recipe_digest(each) for each in (one, same, other))
    assert first == again != changed
    paths = {checkpoint_path(tmp_path, "small", each, data) for each in (first, again, changed) for data in ("a", "b")}
    assert 4 == len(paths)
    assert all(path.parent == tmp_path and path.name.startswith("small-") for path in paths)


def test_what_is_only_measured_on_is_no_part_of_a_run(tmp_path: Path) -> None:
    """Other scenes or files to validate and test on change no weight: the run is the same, and its checkpoint is gone on with."""
    files = "train = 8\nval = 4\ntest = 6\nseed = 2", 'source = "jsonl"\npath = "a.jsonl"'
    scenes = [small_recipe(tmp_path), small_recipe(tmp_path, ("val = 4", "val = 5"), ("test = 6", "test = 7"))]
    pictures = [
        small_recipe(tmp_path, (files[0], files[1] + more)) for more in ("", '\nval = ["dev"]\ntest = ["val", "dev"]')
    ]

    for one, other in (scenes, pictures):
        assert recipe_digest(one) == recipe_digest(other)
    assert recipe_digest(scenes[0]) != recipe_digest(small_recipe(tmp_path, ("train = 8", "train = 9")))


def test_other_weights_under_the_same_path_are_another_run(tmp_path: Path) -> None:
    """A file that the recipe names by its path is part of what it is: its bytes count, and where they lie counts too."""
    weights = tmp_path / "weights.pt"
    recipe = small_recipe(
        tmp_path, ("[optim]", f'[teacher]\nopen_clip = "ViT-B-16"\npretrained = "{weights}"\n\n[optim]')
    )
    weights.write_bytes(b"one")
    first = recipe_digest(recipe)
    weights.write_bytes(b"two")
    second = recipe_digest(recipe)
    weights.write_bytes(b"one")

    assert first == recipe_digest(recipe) != second


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing breaks off, the older checkpoint is still there and still loads."""
    path = tmp_path / "state.pt"
    save_checkpoint(path, trainer)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, trainer)

    assert before == path.read_bytes()
