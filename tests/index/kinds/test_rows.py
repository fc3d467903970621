"""Stored vectors, compared one by one."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.allowed import Allowed
from index.kinds import rows as rows_module
from index.kinds.rows import Rows, merged, selector, write_halves
from tests.index.published import unit_vectors


def halves(vectors: np.ndarray, path: Path) -> Rows:
    """Those vectors in a file."""
    for _ in write_halves(np.array_split(vectors, 3), path):
        pass
    return Rows.mapped(path, *vectors.shape)


def best(vectors: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray) -> np.ndarray:
    """The k greatest allowed inner products of a query (d,), falling."""
    return np.sort((vectors @ query)[allowed])[::-1][:k]


@pytest.mark.parametrize("share", [0.0, 0.003, 0.02, 0.2, 0.9, 1.0])
def test_an_exact_search_is_an_argsort_of_what_is_allowed(share: float, tmp_path: Path) -> None:
    """Few or many allowed, copied together or looked up in place: the same greatest inner products."""
    vectors, queries = unit_vectors(3_000, 24), unit_vectors(4, 24, seed=1)
    allowed = np.random.default_rng(3).random(len(vectors)) < share
    rows = halves(vectors, tmp_path / "v")

    scores, positions = rows.search(queries, 12, allowed=Allowed(allowed))

    assert allowed[positions[positions >= 0]].all()
    for query, values, found in zip(queries, scores, positions, strict=True):
        expected = best(vectors.astype(np.float16).astype(np.float32), query, 12, allowed)
        assert np.allclose(expected, values[: len(expected)], atol=1e-5)
        assert (found[len(expected) :] == -1).all()


def test_both_ways_give_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the few are compared changes no score: only time."""
    rows, queries = halves(unit_vectors(2_000, 16), tmp_path / "v"), unit_vectors(5, 16, seed=1)
    allowed = np.random.default_rng(3).random(2_000) < 0.02
    copied = rows.search(queries, 10, allowed=Allowed(allowed))
    monkeypatch.setattr(rows_module, "_COPY_BELOW_SHARE", 0)

    in_place = rows.search(queries, 10, allowed=Allowed(allowed))

    assert np.array_equal(copied[0], in_place[0])
    assert np.array_equal(copied[1], in_place[1])


def test_few_are_compared_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer does not depend on how many fit a block."""
    rows, queries = halves(unit_vectors(2_000, 16), tmp_path / "v"), unit_vectors(5, 16, seed=1)
    allowed = np.arange(2_000) % 37 == 5
    whole = rows.search(queries, 10, allowed=Allowed(allowed))
    monkeypatch.setattr(rows_module, "_BLOCK_BYTES", 32 * 7)

    assert np.array_equal(whole[1], rows.search(queries, 10, allowed=Allowed(allowed))[1])


def test_a_file_is_mapped_not_copied(tmp_path: Path) -> None:
    """What is compared is the file as it lies there."""
    vectors = unit_vectors(50, 8)
    rows = halves(vectors, tmp_path / "v")
    before = rows.search(vectors[:1], 1)[1][0, 0]
    with (tmp_path / "v").open("r+b") as file:
        file.write(np.ascontiguousarray(-vectors[:1], np.float16).data)

    assert 0 == before
    assert rows.search(vectors[:1], 1)[1][0, 0] != 0


def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    """A row more or less than the index has is another index's file."""
    halves(unit_vectors(50, 8), tmp_path / "v")

    with pytest.raises(ValueError, match="49 x 8"):
        Rows.mapped(tmp_path / "v", 49, 8)


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    """Of nothing nothing is found."""
    (tmp_path / "v").touch()

    assert (Rows.mapped(tmp_path / "v", 0, 8).search(unit_vectors(2), 3)[1] == -1).all()


@given(st.integers(1, 6), st.integers(0, 8), st.integers(0, 8), st.integers(0, 2**16))
def test_merging_is_searching_both(k: int, a: int, b: int, seed: int) -> None:
    """The best of two answers are the best of all; of equals the smaller position is first."""
    scores = np.random.default_rng(seed).integers(0, 4, (2, a + b)).astype(np.float32)
    positions = np.tile(np.arange(a + b), (2, 1))

    got = merged((scores[:, :a], positions[:, :a]), (scores[:, a:], positions[:, a:]), k)

    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(order, got[1])


@given(st.lists(st.booleans(), max_size=70))
def test_a_selector_is_the_mask(allowed: list[bool]) -> None:
    """FAISS allows exactly the positions of the mask, and none beyond."""
    made = selector(Allowed(np.array(allowed, np.bool_)))

    assert [*allowed, False] == [made.is_member(place) for place in range(len(allowed))] + [
        made.is_member(8 * (-(-len(allowed) // 8)))
    ]


def test_full_precision_is_searched_too() -> None:
    """Rows of a flat index of floats are compared as they are."""
    index = faiss.IndexFlatIP(8)
    vectors = unit_vectors(40)
    index.add(vectors)
    allowed = np.arange(40) == 7

    scores, positions = Rows(index).search(vectors[:3], 2, allowed=Allowed(allowed))

    assert [[7, -1]] * 3 == positions.tolist()
    assert np.allclose(vectors[:3] @ vectors[7], scores[:, 0], atol=1e-6)
