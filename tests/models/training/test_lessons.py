"""What a teacher says of every pair of a corpus."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import BUILT_IN, Bundle
from models.training.checkpoint import resume, save_checkpoint
from models.training.lessons import Lessons, ask, lessons_name, open_teacher, teacher_bundle
from models.training.loop import Trainer
from models.training.parts import TeacherPart
from models.training.recipe import RecipeError
from models.training.teachers import BundleTeacher
from tests.models.training.colours import ColourPairs
from tests.models.training.tiny import TinyPairs, distance, tiny_batches, tiny_objective, tiny_recipe, weights

PART = TeacherPart(bundle=Path("any"), weight=2.0, temperature=3.0)


@pytest.fixture(scope="module")
def tiny(tiny_bundle: Path) -> BundleTeacher:
    """The tiny bundle as a teacher."""
    return BundleTeacher(Bundle.open(tiny_bundle))


def _lessons(tiny: BundleTeacher, folder: Path) -> Lessons:
    ask(tiny, TinyPairs(), folder)
    return Lessons(folder, TinyPairs.captions, PART)


def test_lessons_are_of_the_right_pictures_and_captions(tiny: BundleTeacher, tmp_path: Path) -> None:
    """For each pair of a batch the teacher's own vectors of its picture and its caption; pictures may differ in captions."""
    pairs = ColourPairs(32)
    ask(tiny, pairs, tmp_path / "lessons")
    lessons = Lessons(tmp_path / "lessons", pairs.captions, PART)
    rows, choices = torch.tensor([2, 0, 5, 2]), torch.tensor([1, 0, 0, 0])

    found = lessons.of(rows, choices)

    texts = [pairs.captions[row][choice] for row, choice in zip(rows.tolist(), choices.tolist(), strict=True)]
    torch.testing.assert_close(tiny.texts(texts), found.taught.texts)
    torch.testing.assert_close(tiny.images(pairs.pixels(rows.numpy())), found.taught.images)
    assert (tiny.scale, 2.0, 3.0) == (found.taught.scale, found.weight, found.temperature)


def test_a_teacher_is_asked_once(tiny: BundleTeacher, tmp_path: Path) -> None:
    """Each picture is decoded once; what was said is there for the next run, and says the same."""
    pairs = ColourPairs(32)
    ask(tiny, pairs, tmp_path / "lessons")
    first = Lessons(tmp_path / "lessons", pairs.captions, PART).of(torch.arange(3), torch.zeros(3, dtype=torch.long))
    ask(tiny, pairs, tmp_path / "lessons")
    again = Lessons(tmp_path / "lessons", pairs.captions, PART).of(torch.arange(3), torch.zeros(3, dtype=torch.long))

    assert list(range(len(pairs))) == sorted(pairs.asked)
    assert torch.equal(first.taught.images, again.taught.images)


def test_what_was_said_is_checked(tiny: BundleTeacher, tmp_path: Path) -> None:
    """An altered file is an error that says what to do, and not another lesson."""
    _lessons(tiny, tmp_path / "lessons")
    vectors = np.load(tmp_path / "lessons" / "images.npy")
    np.save(tmp_path / "lessons" / "images.npy", -vectors)

    with pytest.raises(RecipeError, match=r"teacher: .*images\.npy is altered.*: remove .*lessons, it is asked again"):
        _lessons(tiny, tmp_path / "lessons")


def test_other_teachers_and_data_have_another_folder(tiny: BundleTeacher, tmp_path: Path) -> None:
    """The name follows from who spoke, how it saw, and of what."""
    other = open_teacher(TeacherPart(bundle=BUILT_IN / "scenes-s"), torch.device("cpu"))

    assert 3 == len({lessons_name(*each) for each in ((tiny, "a"), (tiny, "b"), (other, "a"), (tiny, "a"))})


def test_bundles_that_ship_are_known_by_name(tmp_path: Path) -> None:
    """A name that is no folder is looked for among the built-in bundles."""
    assert BUILT_IN / "scenes-s" == teacher_bundle(Path("scenes-s"))
    assert tmp_path.parent != teacher_bundle(Path("scenes-s"))


def _trainer(lessons: Lessons | None, **optim: object) -> Trainer:
    torch.set_num_threads(1)
    recipe = tiny_recipe(plain=True, learning_rate=3e-3, **optim).model_copy(update={"teacher": PART})
    return Trainer(recipe, tiny_objective(plain=True), tiny_batches(plain=True), lessons=lessons)


def test_the_students_choices_follow_the_teachers(tiny: BundleTeacher, tmp_path: Path) -> None:
    """Beside a teacher the divergence from it falls below what it is without its weight in the loss; a part of the log."""
    lessons = _lessons(tiny, tmp_path / "lessons")
    taught = [step.parts for step in _trainer(lessons, steps=60).run()]

    assert sum(each["affinity"] for each in taught[-5:]) < 0.6 * sum(each["affinity"] for each in taught[:5])
    for each in taught:
        assert pytest.approx(each["contrastive"] + 2 * each["affinity"], rel=1e-4) == each["total"]


def test_chunks_and_a_stop_change_nothing(tiny: BundleTeacher, tmp_path: Path) -> None:
    """A run with a teacher in chunks has the weights of one without, and one that was stopped ends with the very same."""
    lessons = _lessons(tiny, tmp_path / "lessons")
    whole, chunked, stopped, resumed = (_trainer(lessons, chunk=chunk) for chunk in (0, 3, 0, 0))
    for trainer in (whole, chunked):
        list(trainer.run())
    list(stopped.run(until=3))
    save_checkpoint(tmp_path / "state.pt", stopped)
    assert resume(resumed, tmp_path / "state.pt")
    list(resumed.run())

    assert distance(weights(whole), weights(chunked)) < 1e-5
    assert 0.0 == distance(weights(whole), weights(resumed))
