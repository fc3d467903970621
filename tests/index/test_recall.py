"""Recall against exact search, on queries that were held out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.recall import K, Queries, Truth, truths, without
from tests.index.published import unit_vectors


def streamed(vectors: np.ndarray, parts: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """As a collection hands them out."""
    return [(np.arange(len(batch)), batch) for batch in np.array_split(vectors, parts)]


def asked(vectors: np.ndarray, own: np.ndarray, parts: int = 3) -> Truth:
    """The truth of one kind of queries."""
    return truths(streamed(vectors, parts), {"images": Queries(vectors[own], own)})["images"]


@given(st.integers(1, 60), st.integers(1, 7), st.integers(0, 2**16))
def test_the_truth_is_an_argsort_without_oneself(rows: int, parts: int, seed: int) -> None:
    """However the vectors are cut into batches, the nearest come first, and a query's own row is not among them."""
    vectors = unit_vectors(rows, seed=seed)
    own = np.arange(0, rows, 5)

    truth = asked(vectors, own, parts)

    scores = vectors[own] @ vectors.T
    scores[np.arange(len(own)), own] = -np.inf
    expected = np.sort(scores, axis=1)[:, ::-1][:, : min(rows - 1, 4 * K)]
    assert np.allclose(expected, truth.scores[:, : expected.shape[1]], atol=1e-5)
    assert not (truth.positions == own[:, None]).any()
    assert 1.0 == truth.recall(truth.positions)


def test_a_query_that_finds_only_itself_finds_nothing() -> None:
    """The own row counts neither as wanted nor as found."""
    truth = asked(unit_vectors(50), np.arange(5))
    alone = np.concatenate([np.arange(5)[:, None], np.full((5, K), -1)], axis=1)

    assert 0.0 == truth.recall(alone)


def test_the_own_row_takes_no_place() -> None:
    """A search that is asked for eleven and finds itself and the ten nearest has found all."""
    vectors = unit_vectors(50)
    truth = asked(vectors, np.arange(5))
    eleven = np.argsort(-(vectors[:5] @ vectors.T), axis=1)[:, : K + 1]

    assert 1.0 == truth.recall(eleven)


def test_equals_are_as_good() -> None:
    """Of rows that are equally near any ten will do."""
    vectors = np.repeat(unit_vectors(1), 30, axis=0)
    truth = truths(streamed(vectors, 2), {"texts": Queries.strangers(vectors[:1])})["texts"]

    assert 1.0 == truth.recall(np.arange(15, 26)[None])


def test_fewer_rows_than_ten_are_all_wanted() -> None:
    """Of four other rows four are wanted, and half of them is a half."""
    truth = asked(unit_vectors(5), np.arange(1))

    assert 1.0 == truth.recall(np.array([[0, 1, 2, 3, 4, -1]]))
    assert 0.5 == truth.recall(np.array([[0, 1, 2, -1, -1, -1]]))


def test_kinds_are_kept_apart() -> None:
    """Each kind of query has its own answers."""
    vectors = unit_vectors(40)
    both = truths(
        streamed(vectors, 2), {"images": Queries(vectors[:3], np.arange(3)), "texts": Queries.strangers(vectors[7:9])}
    )

    assert (3, 2) == (len(both["images"].positions), len(both["texts"].positions))
    assert [7, 8] == both["texts"].positions[:, 0].tolist()


def test_nothing_stored_is_nothing_missed() -> None:
    """Of no vectors everything is found."""
    truth = truths([], {"texts": Queries.strangers(unit_vectors(3))})["texts"]

    assert 1.0 == truth.recall(np.full((3, 11), -1))


@given(st.lists(st.integers(-1, 6), min_size=1, max_size=8), st.integers(-1, 6))
def test_without_keeps_the_order(found: list[int], own: int) -> None:
    """What is left stands in its order, and only the own row is gone."""
    kept = without(np.array([found]), np.array([own]))[0].tolist()

    others = [each for each in found if each != own or own < 0]
    assert others + [-1] * (len(found) - len(others)) == kept
