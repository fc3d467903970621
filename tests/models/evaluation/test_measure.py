"""From a bundle and a data set to a report."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle import Bundle
from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.layouts import open_dataset
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.sugarcrepe import TYPES
from models.evaluation.measure import measure
from tests.models.evaluation.made import colours, picture, reader, write_sugarcrepe


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, which knows colours."""
    return Bundle.open(tiny_bundle)


def test_a_model_that_knows_colours_finds_colours(bundle: Bundle) -> None:
    """Pictures of one colour, asked for by name, are found; every figure says so."""
    found = measure(bundle, colours())

    assert (1.0, 600.0, 1.0) == (found.figures["t2i_r1"], found.figures["rsum"], found.figures["i2t_median"])
    assert (8, 16, {"all", "long", "short"}) == (found.images, found.captions, set(found.groups))


def test_the_report_knows_model_and_data(bundle: Bundle) -> None:
    """Whose figures these are, and of what, stands in the report."""
    found = measure(bundle, replace(colours(), skipped=3, split="dev"), variant="fp32")

    assert found.model is not None
    assert found.data is not None
    assert ("tiny", bundle.digest, "fp32") == (found.model.name, found.model.digest, found.model.variant)
    assert ("colours", "dev", 3, 64) == (
        found.data.source,
        found.data.split,
        found.data.skipped,
        len(found.data.digest),
    )


def test_edits_are_measured_when_asked_for(bundle: Bundle) -> None:
    """With edits their figures and examples stand beside the retrieval's; without, nothing of them does."""
    with_them, without = measure(bundle, colours(), edits=True), measure(bundle, colours())

    assert 1.0 == with_them.figures["edits.macro"] == with_them.figures["edits.colour"]
    assert with_them.figures.keys() > without.figures.keys()
    assert any(each.other_text for each in with_them.rivals)
    assert not any(each.other_text for each in without.rivals)


def test_edits_can_be_measured_alone(bundle: Bundle) -> None:
    """Without retrieval there is no recall of a pool that nobody meant."""
    found = measure(bundle, colours(), retrieval=False, edits=True)

    names = {f"{task}.{name}" for task in ("edits", "shuffled") for name in ("all", "bright", "colour", "macro")}
    assert names == set(found.figures)
    assert ({}, ["colour"]) == (found.groups, found.kinds)


def test_what_the_text_gives_away_is_told(bundle: Bundle) -> None:
    """Beside another picture a model that looks prefers the caption hardly ever: both colours are as wrong there."""
    found = measure(bundle, colours(), retrieval=False, edits=True).figures

    assert found["shuffled.macro"] < found["edits.macro"]


def test_one_picture_has_no_other_to_be_compared_with(bundle: Bundle) -> None:
    """Edits of a single picture are measured without the control."""
    data = colours()
    found = measure(bundle, replace(data, entries=data.entries[:1]), retrieval=False, edits=True)

    assert "edits.macro" in found.figures
    assert not any(name.startswith("shuffled") for name in found.figures)


def test_edits_that_are_not_there_are_told(bundle: Bundle) -> None:
    """Asked for edits of a data set without any, the message says what was expected."""
    data = colours()
    bare = replace(data, entries=tuple(replace(each, edits=()) for each in data.entries))

    with pytest.raises(DatasetInvalid, match="colours has no false captions to compare with: expected `negatives`"):
        measure(bundle, bare, edits=True)


def test_folds_have_figures_of_their_own(bundle: Bundle) -> None:
    """Smaller pools are easier: the mean of folds is never below the whole's recall."""
    found = measure(bundle, colours(), folds=4)

    assert 4 == len(found.folds)
    assert found.figures["folds4.t2i_r1"] >= found.figures["t2i_r1"]


@pytest.mark.parametrize(("folds", "why"), [(5, "8 images cannot be cut into 5 folds")])
def test_folds_that_cannot_be_are_told(bundle: Bundle, folds: int, why: str) -> None:
    """The message names the data and the rule."""
    with pytest.raises(DatasetInvalid, match=f"colours: {why}"):
        measure(bundle, colours(), folds=folds)


def test_pictures_without_captions_are_searched_among(bundle: Bundle) -> None:
    """A fine-grained pool's further pictures count among the images, and not among the queries."""
    data = colours(3)
    more = Entry("more.png", reader(picture((231, 29, 31))), ())

    found = measure(bundle, Dataset("pool", "made", "", (*data.entries, more)))

    assert (4, 3) == (found.images, found.pool.images)
    assert 3 == len(found.pool.tasks["i2t"].ranks)


def test_the_two_halves_of_a_progress_are_one(bundle: Bundle) -> None:
    """Somebody may watch the entries pass; the figures are the same."""
    data, seen = colours(), []

    def watched() -> object:
        for each in data.entries:
            seen.append(each.id)
            yield each

    assert measure(bundle, data) == measure(bundle, data, progress=watched())  # pyright: ignore[reportArgumentType]
    assert 8 == len(seen)


def test_sugarcrepe_is_seven_types_and_their_mean(bundle: Bundle, tmp_path: Path) -> None:
    """In SugarCrepe's layout every type has its share, and the macro mean is over the seven."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)
    data = open_dataset(folder, Options(images=(tmp_path / "val2017",)))

    found = measure(bundle, data, retrieval=False, edits=True)

    assert list(TYPES) == found.kinds
    assert {3} == {found.pairs(kind) for kind in TYPES}
    assert pytest.approx(sum(found.figures[f"edits.{kind}"] for kind in TYPES) / 7) == found.figures["edits.macro"]
