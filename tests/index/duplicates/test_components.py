"""Union-find."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from index.duplicates.components import Components


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """A number of places, and pairs of them."""
    count = draw(st.integers(1, 40))
    place = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(place, place), max_size=60))


@given(graphs())
@settings(max_examples=30)
def test_sets_are_the_connected_components(graph: tuple[int, list[tuple[int, int]]]) -> None:
    """Two places have one label if and only if scipy finds them connected."""
    count, pairs = graph
    sets = Components(count)
    sets.join(pairs)
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, expected = connected_components(matrix, directed=False)

    found = sets.labels()

    assert ((expected[:, None] == expected) == (found[:, None] == found)).all()


@given(graphs(), st.randoms())
@settings(max_examples=30)
def test_names_do_not_depend_on_the_order(graph: tuple[int, list[tuple[int, int]]], random: object) -> None:
    """A set is called by its smallest place, however its pairs came, turned round or repeated."""
    count, pairs = graph
    one, other = Components(count), Components(count)
    one.join(pairs)
    shuffled = [(second, first) for first, second in pairs] + pairs
    random.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue]
    other.join(shuffled)

    labels = one.labels()

    assert (labels == other.labels()).all()
    assert all(labels[place] == np.flatnonzero(labels == labels[place]).min() for place in range(count))


def test_a_long_chain_is_one_set() -> None:
    """A hundred thousand places, each joined to the next from the far end, are one set, in a moment."""
    count = 100_000
    sets = Components(count)

    sets.join((place, place + 1) for place in reversed(range(count - 1)))

    assert not sets.labels().any()
