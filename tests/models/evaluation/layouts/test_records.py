"""Records of pictures."""

import pytest

from models.evaluation.dataset import Edit, Entry
from models.evaluation.layouts.records import Record, edit_of, how_many, novelty, parse
from tests.models.evaluation.made import reader


def _filled(text: str) -> Entry:
    record, fault = parse(text)
    assert record is not None, fault
    return record.fill(Entry("a", reader(b""), ()))


def test_captions_alone_are_a_record() -> None:
    """Nothing else is needed: no labels and no edits."""
    found = _filled('{"captions": ["one", "two"]}')

    assert (("one", "two"), (), ()) == (found.captions, found.labels, found.edits)


def test_what_scenes_tell_becomes_groups() -> None:
    """Novelty and the number of objects label every caption; negatives count by kind, novelty, and both."""
    found = _filled(
        '{"captions": ["one"], "held_back": true, "objects": [{}, {}],'
        ' "negatives": [{"text": "won", "kind": "count-changed", "caption": 0, "changed": [0]}]}'
    )

    assert (("held-back", "2 objects"),) == found.labels
    assert (Edit("won", 0, "count-changed", ("held-back", "count-changed, held-back")),) == found.edits


def test_negatives_need_no_novelty() -> None:
    """Edits of a corpus that knows no held-back combinations count by their kind alone."""
    found = _filled('{"captions": ["one"], "negatives": [{"text": "won", "kind": "swap"}]}')

    assert (Edit("won", 0, "swap"),) == found.edits


@pytest.mark.parametrize(("held_back", "name"), [(True, "held-back"), (False, "seen")])
def test_novelty_has_two_names(held_back: bool, name: str) -> None:
    """A scene shows something new, or it does not."""
    assert name == novelty(held_back=held_back)


@pytest.mark.parametrize(("count", "name"), [(1, "1 object"), (2, "2 objects")])
def test_one_object_is_singular(count: int, name: str) -> None:
    """Groups are read by people."""
    assert name == how_many(count)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "JSONDecodeError"),
        ("null", "valid dictionary"),
        ('{"captions": [1]}', "captions: 0"),
        ('{"captions": []}', "no captions"),
        ('{"captions": ["a"], "negatives": [{"text": "b"}]}', "negatives: 0: kind"),
        ("[" * 100_000, "Error"),
        (b"\xff\xfe\xfa", "Error"),
    ],
)
def test_a_fault_is_told_by_its_place(text: str, why: str) -> None:
    """What is no record gives None and a sentence that says where it breaks; nothing escapes."""
    record, fault = parse(text)

    assert record is None
    assert why in fault


def test_a_record_is_a_value() -> None:
    """Equal records are equal."""
    assert Record(captions=["a"]) == Record(captions=["a"])
    assert edit_of("a", 0, "k", ()) == Edit("a", 0, "k")
