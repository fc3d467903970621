"""index.fields.survey: a type is proposed when every value fits it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.fields import survey as module
from index.fields.survey import survey, survey_rows
from index.fields.types import Field, is_field_name
from index.fields.values import MISFIT, fit
from tests.index.filters.support import METADATA, collection_of
from tests.index.support import empty_collection, entry

VALUES: list[Any] = [
    None, 1, 2**63, 1.5, True, "a", "12", "2024-01-31", [], ["a"], [1], [None], [1.0, 2.0],
    {"lat": 1, "lon": 2}, {"lat": 1}, {},
]  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.sampled_from(VALUES), max_size=2), max_size=4))
def test_every_value_fits_what_is_proposed(metadata: list[dict[str, Any]]) -> None:
    """A proposal holds for each item, counts its values, and is made unless the values are of no one type."""
    found = survey_rows(metadata, {})
    assert len(metadata) == found.rows
    for proposal in found.proposals:
        values = [row[proposal.field.name] for row in metadata if row.get(proposal.field.name) is not None]
        assert proposal.count == len(values)
        assert all(fit(value, proposal.field.type) is not MISFIT for value in values)
    keys = {name for row in metadata for name, value in row.items() if value is not None}
    assert keys == {proposal.field.name for proposal in found.proposals} | found.mixed.keys()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, None], "int"),
        ([1, 2.5], "float"),
        ([2**63, 1], "float"),
        ([True, False], "bool"),
        ([True, 1], None),
        (["2024-01-31", "2024-01-31T12:00:00Z"], "datetime"),
        (["2024-01-31", "soon"], "string"),
        (["12", "13"], "string"),
        (["20240131"], "string"),
        (["a", ["b", "c"], []], "strings"),
        ([[]], None),
        ([["a"], [1]], None),
        ([{"lat": 1, "lon": 2}], "geo"),
        ([[48.1, 11.5]], None),
        ([{"lat": 100, "lon": 2}], None),
        ([{"deep": {"er": 1}}], None),
        ([1, "a"], None),
        ([None], None),
    ],
)
def test_the_narrowest_type_is_proposed(values: list[Any], kind: str | None) -> None:
    """Integers widen to floats, times to texts, texts to lists; what is ambiguous or deep is nobody's guess."""
    found = survey_rows([{"key": value} for value in values], {})
    assert ([] if kind is None else [kind]) == [proposal.field.type for proposal in found.proposals]


def test_the_most_frequent_come_first() -> None:
    """Where there is room for some fields only, they are those that most items have."""
    found = survey_rows([{"b": 1, "a": 1, "c": 1}, {"c": 2}], {})
    assert ["c", "a", "b"] == [proposal.field.name for proposal in found.proposals]


def test_fields_that_are_there_are_checked_instead() -> None:
    """They are not proposed again; their values that do not fit are counted."""
    found = survey_rows([{"a": 1}, {"a": "x"}, {"a": None}, {}], {"a": Field("a", "int")})
    assert [] == found.proposals
    assert {"a": 1} == found.misfits


def test_what_cannot_be_a_field_is_left_out() -> None:
    """Names of built-in fields, with control characters, too long or empty are not proposed."""
    names = ["width", "a\nb", "x" * 200, ""]
    assert not any(map(is_field_name, names))
    assert [] == survey_rows([dict.fromkeys(names, 1)], {}).proposals


def test_keys_that_are_values_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of metadata with a new key in each row, the first keys are kept."""
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    found = survey_rows(({f"user-{number}": 1, "user-0": 2} for number in range(100)), {})
    assert 3 == len(found.proposals)
    assert 100 == found.proposals[0].count


@settings(max_examples=20)
@given(st.lists(METADATA, max_size=3))
def test_a_survey_is_of_rows(metadata: list[dict[str, Any]]) -> None:
    """Rows in another order give the same."""
    one, other = survey_rows(metadata, {}), survey_rows(metadata[::-1], {})
    assert (one.proposals, one.misfits) == (other.proposals, other.misfits)


def test_a_collection_is_surveyed(tmp_path: Path) -> None:
    """Every item's metadata are looked at, and the fields are those of its version."""
    collection = empty_collection(tmp_path)
    assert 0 == survey(collection.items).rows
    collection.add([entry(1), entry(2)])
    found = survey(collection.latest().items)
    assert (2, [Field("number", "int")]) == (found.rows, [each.field for each in found.proposals])
    other = collection_of(tmp_path / "other", [{"price": "x"}, {"price": 1}])
    assert {"price": 1} == survey(other.items).misfits
