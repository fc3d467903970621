"""Folding duplicates together."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.duplicates.collapse import collapse
from index.duplicates.groups import Groups, GroupsInfo

INFO = GroupsInfo(
    collection="a", collection_created_at="", bundle_digest="", items_version=1, items=9, threshold=0.9, bits=None,
    chains=False, groups=2, created_at="",
)  # fmt: skip


def groups(owners: dict[int, int]) -> Groups:
    """Groups by row id of each member's representative."""
    rows = np.array(sorted(owners), np.int64)
    return Groups(INFO, rows, np.array([owners[row] for row in rows.tolist()], np.int64))


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, Groups]:
    """Hits with scores, -1 among them, and groups of some rows."""
    rows = draw(st.lists(st.integers(-1, 20), max_size=25, unique_by=lambda row: row if row >= 0 else object()))
    scores = draw(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=len(rows), max_size=len(rows)))
    owners = draw(st.dictionaries(st.integers(0, 20), st.integers(0, 3), max_size=15))
    return np.array(rows, np.int64), np.array(scores), groups(owners)


@given(answers())
@settings(max_examples=30)
def test_the_best_of_each_group_stays_in_its_place(answer: tuple[np.ndarray, np.ndarray, Groups]) -> None:
    """It is what a loop over the hits, best first, would keep; and no hit is lost: each is kept or folded into one."""
    rows, scores, made = answer
    named: dict[int, list[int]] = {}
    for place in sorted(range(len(rows)), key=lambda place: (-scores[place], place)):
        if rows[place] >= 0:
            named.setdefault(int(made.of(rows[place : place + 1])[0]), []).append(place)
    expected = sorted((places[0], len(places) - 1) for places in named.values())

    found = collapse(rows, scores, made)

    assert expected == list(zip(found.kept.tolist(), found.folded.tolist(), strict=True))
    assert (rows >= 0).sum() == len(found.kept) + found.folded.sum()


@given(answers())
@settings(max_examples=30)
def test_folding_again_changes_nothing(answer: tuple[np.ndarray, np.ndarray, Groups]) -> None:
    """What is left has nothing to fold."""
    rows, scores, made = answer
    kept = collapse(rows, scores, made).kept

    again = collapse(rows[kept], scores[kept], made)

    assert np.arange(len(kept)).tolist() == again.kept.tolist()
    assert not again.folded.any()


def test_without_groups_every_hit_stays() -> None:
    """Where nothing was found to be a duplicate nothing is folded."""
    found = collapse(np.array([3, 1, 2]), np.array([0.9, 0.8, 0.7]), groups({}))

    assert ([0, 1, 2], [0, 0, 0]) == (found.kept.tolist(), found.folded.tolist())
