"""FAISS's parameters of one call."""

import faiss
import numpy as np
import pytest

from index.allowed import Allowed
from index.kinds.effort import Everything, Walk, effort_of, refined, with_candidates
from index.kinds.spec import Spec
from tests.index.published import unit_vectors


def test_an_exact_index_has_nothing_to_choose() -> None:
    """Flat has no knobs, with a filter or without."""
    effort = effort_of(faiss.IndexFlatIP(8))

    assert isinstance(effort, Everything)
    assert () == effort.knobs
    assert effort.chosen(10, {"efSearch": 5}, Allowed(np.ones(3, np.bool_))) is None


@pytest.mark.parametrize(("width", "k", "kept"), [(64, 10, 64), (64, 100, 100)])
def test_a_walk_keeps_at_least_k(width: int, k: int, kept: int) -> None:
    """Fewer candidates than answers could not fill the answer."""
    chosen = Walk().chosen(k, {"efSearch": width}, None)

    assert kept == chosen.efSearch


def test_a_filtered_walk_is_wider_by_what_is_forbidden() -> None:
    """Half allowed, twice as wide; and where that costs more than comparing with the allowed, that is done."""
    half = Allowed(np.arange(100_000) % 2 == 0)

    assert 128 == Walk().chosen(10, {"efSearch": 64}, half).efSearch
    assert Walk().chosen(10, {"efSearch": 64}, Allowed(np.arange(100_000) < 2_000)) is None
    assert Walk().chosen(10, {"efSearch": 64}, Allowed(np.zeros(100_000, np.bool_))) is None


@pytest.mark.parametrize(("k", "candidates", "compared"), [(10, 100, 100), (10, 4, 20), (128, 100, 256)])
def test_twice_as_many_as_wanted_are_compared_again(k: int, candidates: int, compared: int) -> None:
    """Candidates are as many as was said, and never fewer than two for an answer."""
    chosen = refined(faiss.SearchParametersHNSW(efSearch=50), k, {"candidates": candidates})

    assert compared == round(chosen.k_factor * k)


@pytest.mark.parametrize(
    ("spec", "names"),
    [(Spec("hnsw-sq8", links=4), ["efSearch", "candidates"]), (Spec("ivf-rabitq", lists=4), ["nprobe", "candidates"])],
)
def test_knobs_are_of_the_kind(spec: Spec, names: list[str]) -> None:
    """A walk has a width, lists are counted; where candidates are compared again, they are counted too."""
    index = spec.make(8)
    index.train(unit_vectors(200))

    knobs = with_candidates(effort_of(index).knobs)

    assert names == [knob.name for knob in knobs]
    assert all(0 < knob.least < knob.most or knob.most == 4 for knob in knobs)


def test_many_hits_take_many_lists() -> None:
    """Lists are scanned for eight times as many rows as hits are wanted, all at most, and never fewer than were asked for."""
    index = Spec("ivf-rabitq", lists=100).make(16)
    index.train(unit_vectors(4_000, 16))
    index.add(unit_vectors(4_000, 16))
    effort = effort_of(index)

    assert [5, 20, 100] == [effort.chosen(k, {"nprobe": 5}, None).nprobe for k in (10, 100, 4_000)]
