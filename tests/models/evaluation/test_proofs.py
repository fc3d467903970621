"""From a proofreader and a data set to a report on words: with the shipped bundle, on scenes that it has not seen."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle, find_bundle
from models.evaluation.compare import compare
from models.evaluation.dataset import Dataset, DatasetInvalid, Edit, Entry
from models.evaluation.figures import figures
from models.evaluation.layouts import open_dataset, scenes
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.sugarcrepe import TYPES
from models.evaluation.measure import measure
from models.evaluation.outcomes import Words
from models.evaluation.proofs import measure_words
from models.evaluation.report import Report, read_report
from models.proofreader import Proofreader
from tests.models.evaluation.made import colours, reader, write_sugarcrepe

SCENES, SEED = 10, 77


@cache
def _bundle() -> Bundle:
    return Bundle.open(find_bundle("scenes-s", home=Path("nowhere")))


@cache
def _reader() -> Proofreader:
    return Proofreader.open(_bundle())


@cache
def _data() -> Dataset:
    return scenes.load(SCENES, SEED)


@cache
def _report() -> Report:
    return measure_words(_bundle(), _reader(), _data())


def _measured(data: Dataset) -> Words:
    return measure_words(_bundle(), _reader(), data).pool.words or pytest.fail("no words")


def _small(*edits: Edit, captions: tuple[str, ...] = ("a red circle", "one blue square"), count: int = 2) -> Dataset:
    """The first pictures of the scenes, each with these captions and edits."""
    entries = tuple(Entry(each.id, each.read, captions, (), edits) for each in _data().entries[:count])
    return Dataset("small", "made", "", entries)


def test_wrong_words_are_found_by_the_picture() -> None:
    """Beside their own pictures wrong words stand out; beside others' hardly: the text does not give them away."""
    found = _report().figures

    assert found["words.auroc"] > 0.8
    assert found["words.auroc"] > found["words.shuffled"] + 0.15
    assert found["words.corrected"] > 0.5
    assert found["words.corrected"] >= found["words.told"]
    assert found["words.called"] > 5 * found["words.alarms"]


def test_words_are_called_wrong_as_the_proofreader_calls_them() -> None:
    """The report is made by the proofreader's own threshold, and holds it."""
    words = _report().pool.words

    assert words is not None
    assert _reader().threshold == words.threshold


def test_every_kind_of_edit_has_its_figure() -> None:
    """Kinds are the data set's own; the wrong words of all kinds are all wrong words."""
    words = _report().pool.words
    assert words is not None
    kinds = {edit.kind for entry in _data().entries for edit in entry.edits}

    assert sorted(kinds) == list(words.wrong)
    assert {f"words.auroc.{kind}" for kind in kinds} <= _report().figures.keys()
    assert 0 < sum(map(len, words.wrong.values())) < len(words.own) / 2


def test_the_report_knows_model_and_data() -> None:
    """Whose figures these are, and of what: the data is the same as that of `vilem eval scenes`."""
    found, edits = _report(), measure(_bundle(), _data(), retrieval=False, edits=True)

    assert found.data == edits.data
    assert found.model == edits.model
    assert (SCENES, SCENES, sum(len(each.captions) for each in _data().entries)) == (
        found.images,
        found.pool.images,
        found.captions,
    )


def test_a_report_survives_the_disk_and_does_not_differ_from_itself(tmp_path: Path) -> None:
    """What is read is what was written, its figures can be made again, and compared with itself nothing differs."""
    _report().write(tmp_path / "report.json")

    found = read_report(tmp_path)

    assert _report() == found
    assert figures(found.pool) == found.figures
    differences = compare(_report(), found, 100).differences
    assert list(found.figures) == [each.name for each in differences]
    assert {(0.0, 0.0, 0.0)} == {(each.difference, each.low, each.high) for each in differences}


def test_examples_are_of_what_was_read() -> None:
    """Each example is an edited caption beside its own picture; its words are wrong ones, and none that is missed is surer than one that is told."""
    read = _report().read
    edits = {(each.id, edit.text, edit.kind) for each in _data().entries for edit in each.edits}
    told, missed = ([word.wrong for each in read for word in each.words if word.told is way] for way in (True, False))

    assert {True, False} == {each.won for each in read}
    assert {(each.image, each.text, each.kind) for each in read} <= edits
    assert all(each.text[word.start : word.end].isalnum() for each in read for word in each.words)
    assert max(missed) <= min(told)


def test_of_each_caption_the_first_edit_of_each_kind_is_read() -> None:
    """Further edits of one kind of one caption are left out; each caption is read once, however often it was edited."""
    few = _small(Edit("a blue circle", 0, "colour"), Edit("a red square", 0, "object"))
    many = _small(*few.entries[0].edits, Edit("a green circle", 0, "colour"), captions=("a red circle", "unasked"))

    assert (4, 2) == (_measured(few).edits, _measured(few).captions)
    assert _measured(few).own == _measured(many).own


def test_labels_come_from_the_true_caption() -> None:
    """What an edit changed is wrong in it and right in the caption; what no edit changes is not judged."""
    found = _measured(_small(Edit("a blue circle", 0, "colour")))

    # of each picture "blue" in the edit and "red" in the caption
    assert ([0, 0, 1, 1], {"colour": [0, 2]}) == (found.images, found.wrong)
    assert [0, 2] == found.known
    assert all(value == round(value, 6) for value in (*found.own, *found.other))


def test_a_word_that_cannot_be_answered_counts_for_detection_only() -> None:
    """An original outside the vocabulary is found or not, and never asked for."""
    edit = Edit("a blue circle", 0, "colour")
    found = _measured(_small(edit, captions=("a chartreuse circle",)))

    assert ([0, 2], []) == (found.wrong["colour"], found.known)
    assert (
        "words.corrected"
        not in measure_words(_bundle(), _reader(), _small(edit, captions=("a zaffre circle",))).figures
    )


def test_texts_are_labelled_as_the_model_reads_them() -> None:
    """Case, spaces and entities are the tokenizer's to clean: they are no change of a word."""
    found = _measured(_small(Edit("A  Blue circle &amp; square", 0, "colour"), captions=("a red CIRCLE & square",)))

    assert [0, 2] == found.wrong["colour"]


def test_words_beyond_the_context_are_counted() -> None:
    """A word that was cut off is not judged, and the report says how many there were, and how many texts were cut."""
    long = "a small circle and " * 30
    data = _small(Edit("a blue circle", 0, "near"), Edit(f"{long} a blue circle", 1, "far"), captions=(
        "a red circle", f"{long} a red circle",
    ))  # fmt: skip

    found = measure_words(_bundle(), _reader(), data)

    words = found.pool.words
    assert words is not None
    assert ["near"] == list(words.wrong)
    assert (4, 4) == (words.unread, found.truncated)


def test_pictures_without_edits_are_left_alone() -> None:
    """Nothing is read beside them, and no text beside them for a control; they stay units of the pool."""
    edited = _small(Edit("a blue circle", 0, "colour"), count=3)
    bare = replace(edited.entries[0], id="bare", edits=())
    silent = replace(edited.entries[0], id="silent", edits=(), captions=())
    data = replace(edited, entries=(bare, silent, *edited.entries))

    found = measure_words(_bundle(), _reader(), data)

    assert (5, 4) == (found.images, found.pool.images)
    assert {1, 2, 3} == set((found.pool.words or pytest.fail("no words")).images)
    assert _measured(edited).own == (found.pool.words or pytest.fail("no words")).own


def test_sugarcrepes_types_are_kinds(tmp_path: Path) -> None:
    """SugarCrepe's captions and edits are read as those of any data set."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)

    found = _measured(open_dataset(folder, Options(images=(tmp_path / "val2017",))))

    assert set(found.wrong) <= set(TYPES)
    assert 3 * len(TYPES) == found.edits


def test_both_passes_can_be_watched() -> None:
    """Somebody sees the entries pass, once for the pictures and once for the texts; the figures are the same."""
    seen: list[tuple[str, int]] = []
    data = _small(Edit("a blue circle", 0, "colour"))

    def watch(entries: object, doing: str) -> object:
        assert data.entries == entries
        seen.append((doing, len(data.entries)))
        return entries

    assert _measured(data) == measure_words(_bundle(), _reader(), data, watch).pool.words  # pyright: ignore[reportArgumentType]
    assert [("encoding", 2), ("reading", 2)] == seen


@pytest.mark.parametrize(
    ("edits", "count", "why"),
    [
        ([], 2, "small has no false captions to proofread: expected `negatives`"),
        (["a blue circle"], 1, "small has one picture with false captions: expected two"),
        (["a circle"], 2, "cannot be judged word by word: 0 wrong and 0 right words"),
        (["a red circle here"], 2, "cannot be judged word by word: 2 wrong and 0 right words"),
    ],
)
def test_data_that_says_nothing_is_refused(edits: list[str], count: int, why: str) -> None:
    """Without edits, without another picture, or with one class of words alone there is no figure; the message says so."""
    data = _small(*(Edit(text, 0, "x") for text in edits), count=count)

    with pytest.raises(DatasetInvalid, match=why):
        measure_words(_bundle(), _reader(), data)


def test_a_damaged_picture_is_named() -> None:
    """Which of the pictures cannot be read stands in the message."""
    data = _small(Edit("a blue circle", 0, "colour"))
    broken = replace(data.entries[1], read=reader(b"no picture"))

    with pytest.raises(DatasetInvalid, match=f"picture '{broken.id}'"):
        measure_words(_bundle(), _reader(), replace(data, entries=(data.entries[0], broken)))


def test_colours_are_no_words_of_another_picture() -> None:
    """On pictures of one colour too what is kept is one figure for each word and side, between 0 and 1."""
    found = _measured(colours(3))

    assert len(found.images) == len(found.own) == len(found.other)
    assert ((np.array([found.own, found.other]) >= 0) & (np.array([found.own, found.other]) <= 1)).all()
