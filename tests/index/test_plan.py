"""Which index a collection needs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import PlanImpossible
from index.faiss_cpu import FaissIndex
from index.kinds.spec import EXACT_BELOW_ROWS, KINDS, Kind
from index.plan import (
    Budget,
    advised,
    estimated_ms,
    human,
    mapped_bytes,
    plan,
    resident_bytes,
    smallest,
    spec_of,
)
from tests.index.published import unit_vectors
from vilem.cli.index_plan import bytes_of

ROWS = st.integers(0, 10**9)
DIMS = st.integers(2, 2048)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (0, "flat"),
        (EXACT_BELOW_ROWS - 1, "flat"),
        (EXACT_BELOW_ROWS, "ivf-rabitq"),
        (10_000_000, "ivf-rabitq"),
    ],
)
def test_without_a_budget_the_rows_decide(rows: int, kind: Kind) -> None:
    """Exact while that is quick, then lists: a graph only where it is asked for, or needed."""
    proposed = plan(rows, 512)

    assert kind == proposed.spec.kind
    assert f"{rows:,}" in proposed.why[0] or not rows


@given(ROWS, DIMS, st.integers(0, 10**13))
def test_a_plan_keeps_its_budget(rows: int, dim: int, memory: int) -> None:
    """What is proposed fits the memory; if nothing does, it is said how much would do, and that does."""
    try:
        assert plan(rows, dim, Budget(memory=memory)).resident <= memory
    except PlanImpossible as error:
        needed = min(resident_bytes(spec_of(kind, rows), rows, dim) for kind in KINDS)
        thin = resident_bytes(spec_of("ivf-pq", rows), rows, dim)
        assert memory < max(needed, thin)
        enough = bytes_of(str(error).split("--memory ")[1])
        assert plan(rows, dim, Budget(memory=enough)).resident <= enough


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [16, 96])
def test_the_bytes_are_those_of_the_files(kind: Kind, dim: int, tmp_path: Path) -> None:
    """What is predicted for memory is within a tenth of what lies in the files, and what is mapped is exact."""
    rows = 4_000
    proposed = plan(rows, dim, Budget(kind=kind))
    index = FaissIndex.build([unit_vectors(rows, dim)], rows, dim, proposed.spec, vectors=tmp_path / "v")
    index.save(tmp_path / "i")

    # row ids, and for lists the number of each row's list, are kept beside
    found = (tmp_path / "i").stat().st_size + 8 * rows + 4 * rows * proposed.spec.is_inverted

    assert 0.9 <= found / proposed.resident <= 1.1
    assert proposed.mapped == ((tmp_path / "v").stat().st_size if proposed.spec.refines else 0)


def test_less_memory_is_another_kind() -> None:
    """Lists of thinner codes where two bits a dimension do not fit, and the reason names what did not."""
    rows, dim = 100_000, 512
    two_bits = resident_bytes(spec_of("ivf-rabitq", rows), rows, dim)

    tight = plan(rows, dim, Budget(memory=two_bits - 1))

    assert 2 == plan(rows, dim, Budget(memory=two_bits)).spec.bits
    assert ("ivf-rabitq", 1) == (tight.spec.kind, tight.spec.bits)
    assert any("ivf-rabitq would keep" in reason for reason in tight.why)
    with pytest.raises(PlanImpossible, match=r"do not fit 1 MB.*--memory"):
        plan(rows, dim, Budget(memory=1_000_000))


def test_a_budget_of_time_chooses_the_quickest_that_fits() -> None:
    """A kind that is too slow makes way; where none is quick enough the quickest is taken, and that is said."""
    slow = plan(15_000, 512)
    pressed = plan(15_000, 512, Budget(latency_ms=slow.milliseconds * 0.9))

    assert "flat" == slow.spec.kind
    assert pressed.milliseconds <= slow.milliseconds * 0.9
    assert "none is as quick" in plan(15_000, 512, Budget(latency_ms=1e-6)).why[0]
    assert "flat" == plan(15_000, 512, Budget(latency_ms=1e6)).spec.kind


def test_the_reason_is_the_true_one() -> None:
    """Where everything is to be found, that leaves one kind: it is not called the quickest, however slow it is."""
    exact = plan(100_000, 512, Budget(latency_ms=1e-3), recall=1.0)

    assert "flat" == exact.spec.kind
    assert ("only an exact search finds everything", "it is slower than 0.001 ms") == exact.why
    assert ("only an exact search finds everything",) == plan(100, 8, Budget(latency_ms=1.0), recall=1.0).why
    tight = plan(15_000, 512, Budget(latency_ms=1e-3, memory=10**7))
    assert "the quickest that fits" in tight.why[0]


def test_a_budget_of_time_may_want_a_graph() -> None:
    """Where lists are estimated too slow, and a graph is not, the graph is built, and the reason says so."""
    rows, dim = 30_000, 512
    graph = estimated_ms(spec_of("hnsw-fp16", rows), rows, dim)

    hurried = plan(rows, dim, Budget(latency_ms=graph * 1.01))

    assert hurried.spec.is_graph
    assert "ivf-rabitq would be slower" in hurried.why[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_can_be_asked_for(kind: Kind) -> None:
    """An override is built, if it fits."""
    assert kind == plan(1_000_000, 512, Budget(kind=kind)).spec.kind
    with pytest.raises(PlanImpossible, match=kind):
        plan(1_000_000, 512, Budget(kind=kind, memory=1_000))


def test_everything_is_only_found_exactly() -> None:
    """A recall of one is an exact search, whatever the rows."""
    assert "flat" == plan(10_000_000, 64, recall=1.0).spec.kind


@given(st.integers(1, 10**8), st.sampled_from(KINDS), DIMS)
def test_the_model_is_monotone(rows: int, kind: Kind, dim: int) -> None:
    """Twice the rows never take less memory, and a list is never learnt from fewer than forty rows."""
    small, large = spec_of(kind, rows), spec_of(kind, 2 * rows)

    assert resident_bytes(small, rows, dim) <= resident_bytes(large, 2 * rows, dim)
    assert mapped_bytes(small, rows, dim) <= mapped_bytes(large, 2 * rows, dim)
    assert estimated_ms(small, rows, dim) > 0
    assert small.lists <= max(1, rows // 40)


def test_nothing_fits_anything() -> None:
    """An empty collection has a plan, whatever was asked for."""
    assert "flat" == plan(0, 512, Budget(memory=0, kind="ivf-pq")).spec.kind


@pytest.mark.parametrize(
    ("count", "text"),
    [(12, "12 B"), (2_500, "2.5 kB"), (717e6, "717 MB"), (999_700, "1 MB"), (1.234e10, "12.3 GB"), (2e12, "2 TB")],
)
def test_bytes_are_for_people(count: float, text: str) -> None:
    """Three digits and a unit, which can be given back as an option."""
    assert text == human(count)
    assert np.isclose(count, bytes_of(text), rtol=0.01)


@given(st.integers(1, 10**14))
def test_what_is_advised_is_no_less(least: int) -> None:
    """As an option reads it: what is needed and a tenth, and at most a hundredth of rounding."""
    given_bytes = bytes_of(advised(least).removeprefix("--memory "))

    assert 11 * least <= 10 * given_bytes <= 11.2 * least + 10


@given(st.integers(1, 10**8), DIMS, st.sampled_from([None, *KINDS]))
def test_the_smallest_fits_exactly(rows: int, dim: int, kind: Kind | None) -> None:
    """With the bytes that it names there is a plan, with one less there is none."""
    _, needed = smallest(rows, dim, Budget(kind=kind))

    assert needed == plan(rows, dim, Budget(memory=needed, kind=kind)).resident
    with pytest.raises(PlanImpossible):
        plan(rows, dim, Budget(memory=needed - 1, kind=kind))
