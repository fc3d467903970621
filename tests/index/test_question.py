"""One ranking of what is asked beside a vector."""

from typing import Literal

import numpy as np
import pytest
from pydantic import JsonValue

from index.duplicates.groups import Groups, GroupsInfo
from index.errors import FieldUnknown
from index.fields.change import add_fields
from index.fields.types import parse_declaration
from index.lexical.upkeep import index_texts
from index.live.view import View
from index.publish import current, publish
from index.question import Filtered, Question, Target, Words, folded, ranked
from index.snapshot import Snapshot
from tests.index.published import entries, filled, unit_vectors

VECTORS = unit_vectors(60)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """Forty published items and ten written since, with two captions each, a field and an index of words."""
    collection = filled(tmp_path_factory.mktemp("question"), VECTORS[:40], captions=2)
    publish(collection)
    snapshot = Snapshot.open(current(collection.path))
    pinned = collection.latest()
    add_fields(collection, [parse_declaration("number:int")])
    index_texts(collection)
    collection.add(entries(VECTORS[40:50], captions=2, first=40))
    return View.of(snapshot, pinned.at(snapshot.manifest.items_version, snapshot.manifest.captions_version)).advanced(
        collection.latest()
    )


def numbers(view: View, rows: np.ndarray, target: str = "images") -> list[int]:
    """Which items row ids are of."""
    if target == "images":
        records = view.collection.records_at(rows.tolist())
        return [int(record.id[-5:]) for record in records if record]
    return [int(row.item_id[-5:]) for row in view.collection.captions_at(rows.tolist()) if row]


def groups_of(rows: np.ndarray, representatives: np.ndarray) -> Groups:
    """Duplicates."""
    info = GroupsInfo(
        collection="test", collection_created_at="", bundle_digest="", items_version=1, items=50, threshold=0.9,
        bits=None, chains=False, groups=1, created_at="",
    )  # fmt: skip
    return Groups(info, rows, representatives)


def test_without_more_it_is_the_order_of_the_vectors(view: View) -> None:
    """The nearest first, published or written since."""
    found = ranked(view, Question(VECTORS[45]), 50)

    exact = np.argsort(-(VECTORS[:50] @ VECTORS[45]))
    assert exact[:20].tolist() == numbers(view, found.rows)[:20]


@pytest.mark.parametrize("target", ["images", "texts", "moments"])
def test_a_filter_gives_rows_of_what_is_searched(view: View, target: str) -> None:
    """Items whose field matches, or captions of such items; of moments there are none here."""
    where = {"number": {"gte": 38, "lt": 43}}

    rows = Filtered(view).rows(where, target)  # pyright: ignore[reportArgumentType] - one of the three

    copies = {"images": 1, "texts": 2, "moments": 0}[target]
    assert sorted(copies * [38, 39, 40, 41, 42]) == sorted(numbers(view, rows, target))
    assert rows.tolist() == sorted(rows.tolist())


def test_many_items_have_the_captions_that_few_have(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether captions are looked up by id or read through, they are the same."""
    looked_up = Filtered(view).rows({"number": {"lt": 30}}, "texts")
    monkeypatch.setattr("index.question._LOOKED_UP", 3)

    assert looked_up.tolist() == Filtered(view).rows({"number": {"lt": 30}}, "texts").tolist()


def test_the_last_filters_are_kept(view: View) -> None:
    """The same filter, however its keys are ordered, is not looked up again; a wrong one never is kept."""
    filtered = Filtered(view)

    first = filtered.rows({"field": "number", "op": "lt", "value": 9}, "images")

    assert first is filtered.rows({"value": 9, "op": "lt", "field": "number"}, "images")
    for _ in range(2):
        with pytest.raises(FieldUnknown):
            filtered.rows({"nothing": 1}, "images")
    for value in range(40):
        filtered.rows({"number": value}, "images")
    assert first is not filtered.rows({"field": "number", "op": "lt", "value": 9}, "images")


def test_a_filter_that_is_kept_cannot_be_changed(view: View) -> None:
    """What later searches are answered with is read-only, whatever it is of."""
    for target in ("images", "texts", "moments"):
        assert not Filtered(view).rows({"number": {"lt": 9}}, target).flags.writeable


def test_few_large_filters_are_kept(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only their number is bounded, but also their bytes: the last one stays, however large."""
    monkeypatch.setattr("index.question._KEPT_BYTES", 8 * 60)
    filtered = Filtered(view)

    nearly_all = filtered.rows({"number": {"lt": 45}}, "images")
    few = filtered.rows({"number": {"lt": 5}}, "images")

    assert nearly_all is filtered.rows({"number": {"lt": 45}}, "images")
    half = filtered.rows({"number": {"lt": 25}}, "images")
    assert half is filtered.rows({"number": {"lt": 25}}, "images")
    assert nearly_all is not filtered.rows({"number": {"lt": 45}}, "images")
    assert few.tolist() == filtered.rows({"number": {"lt": 5}}, "images").tolist()


def test_among_bounds_both_rankings(view: View) -> None:
    """Words and vector find rows of the filter alone."""
    among = Filtered(view).rows({"number": {"gte": 20}}, "images")
    words = Words("caption 1 of 7 8 20 21", depth=50)

    found = ranked(view, Question(VECTORS[3], among=among, words=words), 50)

    assert len(found) and set(numbers(view, found.rows)) == set(range(20, 50))


@pytest.mark.parametrize("method", ["rrf", "weighted"])
@pytest.mark.parametrize("target", ["images", "texts"])
@pytest.mark.parametrize("where", [{"number": {"lt": 5}}, {"number": {"gte": 35}}, {"number": {"in": [7, 21, 44]}}])
def test_no_hit_is_outside_of_the_filter(
    view: View, where: JsonValue, target: Target, method: Literal["rrf", "weighted"]
) -> None:
    """Of captions as of items: what is found by words is in the filter, and all of the filter that has a word is found."""
    among = Filtered(view).rows(where, target)
    words = Words("caption 1", depth=200, method=method, weight=0.5)

    found = ranked(view, Question(VECTORS[3], target, among=among, words=words), 200)

    assert set(among.tolist()) == set(found.rows.tolist())


def test_a_fused_ranking_does_not_depend_on_the_page(view: View) -> None:
    """However deep it is asked for, its beginning is the same: depth of the two rankings decides, not the page."""
    question = Question(VECTORS[3], words=Words("caption 1 of 44", depth=30))

    whole, short = ranked(view, question, 1000), ranked(view, question, 3)

    assert whole.rows.tolist()[: len(short)] == short.rows.tolist()
    assert 44 in numbers(view, whole.rows)


def test_duplicates_are_folded_and_the_depth_filled(view: View) -> None:
    """With half of all rows in one group as many hits as asked for are found all the same, the group's best among them."""
    nearest = ranked(view, Question(VECTORS[0]), 50).rows
    members = np.sort(nearest[:30])
    groups = groups_of(members, np.full(30, members[0]))

    found = ranked(view, Question(VECTORS[0], groups=groups), 10).top(10)

    assert [nearest[0], *nearest[30:39]] == found.rows.tolist()


def test_a_hit_stands_for_what_else_could_have_been_one(view: View) -> None:
    """Of its group those that are there, match the filter and are not left out; with the hit they are all of these, in any number of groups."""
    rows = np.sort(ranked(view, Question(VECTORS[0]), 50).rows)
    gone = rows[-1] + 1 + np.arange(4)
    members = np.sort(np.concatenate([rows[:30], gone]))
    groups = groups_of(members, np.where(members % 2, members[1], members[0]))
    among = Filtered(view).rows({"number": {"gte": 12}}, "images")
    for question, findable in (
        (Question(VECTORS[0], groups=groups), rows),
        (Question(VECTORS[0], groups=groups, without=rows[[2, 3, 40]]), np.delete(rows, [2, 3, 40])),
        (Question(VECTORS[0], groups=groups, among=among, without=among[:1]), among[1:]),
    ):
        hits = ranked(view, question, 50).rows

        others = folded(view, question, hits)

        names = groups.of(findable).tolist()
        assert [names.count(name) - 1 for name in groups.of(hits).tolist()] == others
        assert len(findable) == len(hits) + sum(others)


def test_a_hit_that_matches_no_more_stands_for_those_that_do(view: View) -> None:
    """Of a ranking that was kept some hits may be gone, or out of the filter: they stand for the others of their group, never for less than none."""
    rows = np.sort(ranked(view, Question(VECTORS[0]), 50).rows)
    groups = groups_of(rows[:6], np.repeat(rows[[0, 3]], 3))
    question = Question(VECTORS[0], groups=groups, among=rows[1:3])

    assert [2, 1, 0, 0, 0] == folded(view, question, np.array([rows[0], rows[1], rows[3], rows[-1], rows[-1] + 9]))


def test_no_hits_stand_for_nothing(view: View) -> None:
    """Of no hits there is nothing to count, nor where nothing is folded."""
    none = np.zeros(0, np.int64)

    assert [] == folded(view, Question(VECTORS[0], groups=groups_of(none, none)), none)
    assert [] == folded(view, Question(VECTORS[0]), none)


def test_captions_are_ranked_by_their_own_rows(view: View) -> None:
    """Words of captions find the caption, not every caption of its item."""
    found = ranked(view, Question(VECTORS[3], "texts", words=Words("caption 1 of 44", "phrase", weight=1.0)), 50)

    rows = [row for row in view.collection.captions_at(found.rows.tolist()) if row]
    assert ["caption 1 of 44"] == [row.text for row in rows]
