"""Which index a collection needs: a small cost model, of rows, dimension, and what may be spent.

Bytes are counted, not estimated: what each kind stores of a row is known (`resident_bytes`; within a few percent of the
files it writes). Milliseconds are estimates, good to a factor of two, that decide only between kinds: the parameters of a search
are tuned, and its recall and time measured, on the index itself (`index.tune`).

The constants were measured on 100,000 x 512 vectors of `benchmarks.embeddings`, on one core of an AMD EPYC (Zen 4) that did
other work besides, in CPU time, at recall@10 0.95 of the harder kind of query, texts: `_WIDTH`, `_LISTS_OF_ROOT` and `_CANDIDATES`
are what it took; nanoseconds are the time of a query divided by what it looked at. How they grow with the rows is an assumption
(a walk by its logarithm, lists by their root), which `python -m benchmarks.index_1m` checks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2, sqrt

from pydantic import BaseModel, ConfigDict, Field

from index.errors import PlanImpossible
from index.kinds.spec import EXACT_BELOW_ROWS, GRAPH_OF_CENTROIDS_FROM, HNSW_LINKS, KINDS, Kind, Spec

RECALL = 0.95

_FLOATS_A_NS = 2.5
_STEP_NS = 20 * 120
_STEP_NS_A_FLOAT = 20 * 0.15
_CODE_NS = 10
_CODE_NS_A_FLOAT = 0.03
_CANDIDATE_NS = 600
_WIDTH = 128
_LISTS_OF_ROOT = 0.3
_CANDIDATES = 512


class Budget(BaseModel):
    """What an operator gives and wants; None leaves it open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: int | None = Field(
        default=None, ge=0, description="bytes that the index may keep resident, its mapped vectors apart"
    )
    latency_ms: float | None = Field(default=None, gt=0, description="milliseconds of one query")
    kind: Kind | None = Field(default=None, description="build this, whatever it takes")


@dataclass(frozen=True)
class Plan:
    """A proposal.

    Attributes:
        spec: what to build.
        resident: bytes, of the index and its row ids.
        mapped: bytes of the file with half-precision vectors; the kernel drops what is not read.
        milliseconds: of one query alone at a recall of 0.95, estimated.
        why: sentences for people, the deciding one first.
    """

    spec: Spec
    resident: int
    mapped: int
    milliseconds: float
    why: tuple[str, ...]


def plan(rows: int, dim: int, budget: Budget | None = None, recall: float = RECALL) -> Plan:
    """Propose an index of *rows* x *dim* vectors.

    Raises:
        PlanImpossible: nothing fits the memory; the message says what would.
    """
    budget = budget or Budget()
    if budget.kind is not None and rows:
        chosen = spec_of(budget.kind, rows)
        if not _fits(chosen, rows, dim, budget):
            raise PlanImpossible(_too_little(rows, dim, budget, recall))
        return _planned(chosen, rows, dim, [f"{budget.kind} was asked for"])
    candidates = _candidates(rows, recall)
    fitting = [spec for spec in candidates if _fits(spec, rows, dim, budget)]
    if not fitting:
        raise PlanImpossible(_too_little(rows, dim, budget, recall))
    why = [_reason(fitting[0], rows, recall)]
    if fitting[0] != candidates[0]:
        why.append(
            f"{candidates[0].kind} would keep {human(resident_bytes(candidates[0], rows, dim))}, {human(budget.memory or 0)} are given"
        )
    if budget.latency_ms is None:
        return _planned(fitting[0], rows, dim, why)
    quick = [spec for spec in fitting if estimated_ms(spec, rows, dim) <= (budget.latency_ms or 0)]
    if quick[:1] == fitting[:1]:
        return _planned(fitting[0], rows, dim, why)
    if quick:
        return _planned(
            quick[0], rows, dim, [f"{fitting[0].kind} would be slower than {budget.latency_ms} ms", *why[1:]]
        )
    if len(candidates) == 1:
        return _planned(fitting[0], rows, dim, [*why, f"it is slower than {budget.latency_ms:g} ms"])
    fastest = min(fitting, key=lambda spec: estimated_ms(spec, rows, dim))
    return _planned(
        fastest, rows, dim, [f"the quickest that fits; none is as quick as {budget.latency_ms} ms", *why[1:]]
    )


def smallest(rows: int, dim: int, budget: Budget, recall: float = RECALL) -> tuple[Spec, int]:
    """What *budget* leaves open that keeps least in memory, whatever it gives of that; and the bytes it keeps."""
    tried = _candidates(rows, recall) if budget.kind is None or not rows else [spec_of(budget.kind, rows)]
    least = min(tried, key=lambda spec: resident_bytes(spec, rows, dim))
    return least, resident_bytes(least, rows, dim)


def spec_of(kind: Kind, rows: int) -> Spec:
    """A kind with the sizes that fit *rows*: two bits a dimension, lists as many as four times the root."""
    lists = 2 ** round(log2(4 * sqrt(max(rows, 1))))
    # a list is learnt from forty rows
    lists = max(1, min(lists, rows // 40))
    if kind.startswith("ivf"):
        return Spec(kind, lists=lists, bits=2 if kind == "ivf-rabitq" else 1)
    return Spec(kind, links=HNSW_LINKS if kind == "hnsw-fp16" else HNSW_LINKS // 2)


def resident_bytes(spec: Spec, rows: int, dim: int) -> int:
    """Bytes of an index of that kind, and of its row ids (8 each)."""
    return round(rows * (8 + _bytes_a_row(spec, dim)) + _bytes_of_centroids(spec, dim))


def mapped_bytes(spec: Spec, rows: int, dim: int) -> int:
    """Bytes of the half-precision vectors beside it."""
    return rows * dim * 2 * spec.refines


def estimated_ms(spec: Spec, rows: int, dim: int) -> float:
    """Milliseconds of one query on one core, at a recall of about 0.95; see the module."""
    if spec.is_graph:
        # each tenfold of rows lengthens the walk by the same
        width = _WIDTH * max(0.5, 1 + 0.5 * (log2(max(rows, 1) / 100_000) / log2(10)))
        return width * (_STEP_NS + _STEP_NS_A_FLOAT * dim) / 1e6
    if not spec.is_inverted:
        return rows * dim / _FLOATS_A_NS / 1e6
    nprobe = min(spec.lists, max(8, _LISTS_OF_ROOT * sqrt(rows)))
    coarse = nprobe * 1_000 if spec.lists >= GRAPH_OF_CENTROIDS_FROM else spec.lists * dim / _FLOATS_A_NS
    codes = nprobe * rows / max(spec.lists, 1) * (_CODE_NS + _CODE_NS_A_FLOAT * dim)
    return (coarse + codes + _CANDIDATES * _CANDIDATE_NS) / 1e6


def human(count: float) -> str:
    """Bytes for people."""
    for name, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        # 999,600 bytes are 1 MB: as 1e+03 kB nobody, and no option, could read them
        if count >= size * 0.9995:
            return f"{count / size:.3g} {name}"
    return f"{count:.0f} B"


def advised(least: int) -> str:
    """What to give of memory where *least* bytes are needed: a tenth more, as the rows will be, in digits that round up."""
    wanted = -(-least * 11 // 10)
    step = 10 ** max(0, len(str(wanted)) - 3)
    return f"--memory {human(-(-wanted // step) * step).replace(' ', '')}"


def _candidates(rows: int, recall: float) -> list[Spec]:
    """Kinds in the order of preference."""
    if recall >= 1 or not rows:
        return [Spec("flat")]
    lists = spec_of("ivf-rabitq", rows)
    thin = Spec("ivf-rabitq", lists=lists.lists)
    graphs = [spec_of("hnsw-fp16", rows), spec_of("hnsw-sq8", rows)]
    if rows < EXACT_BELOW_ROWS:
        return [Spec("flat"), *graphs, lists, thin]
    # a graph is no quicker, takes seven times the memory, and misses what a filter allows: docs/decisions/0010
    return [lists, thin, spec_of("ivf-pq", rows), *graphs]


def _reason(spec: Spec, rows: int, recall: float) -> str:
    if spec.kind == "flat":
        return (
            "only an exact search finds everything" if recall >= 1 else f"{rows:,} rows are compared at once, exactly"
        )
    if spec.is_graph:
        return f"a walk over a graph is the quickest for {rows:,} rows"
    return f"{rows:,} rows: lists of codes keep a seventh of a graph's memory, and filters slow them less"


def _planned(spec: Spec, rows: int, dim: int, why: Sequence[str]) -> Plan:
    resident, mapped = resident_bytes(spec, rows, dim), mapped_bytes(spec, rows, dim)
    return Plan(spec, resident, mapped, estimated_ms(spec, rows, dim), tuple(why))


def _fits(spec: Spec, rows: int, dim: int, budget: Budget) -> bool:
    return budget.memory is None or resident_bytes(spec, rows, dim) <= budget.memory


def _too_little(rows: int, dim: int, budget: Budget, recall: float) -> str:
    spec, needed = smallest(rows, dim, budget, recall)
    return (
        f"{rows:,} x {dim} vectors do not fit {human(budget.memory or 0)}: {spec.kind} needs {human(needed)}; "
        f"give {advised(needed)}"
    )


def _bytes_a_row(spec: Spec, dim: int) -> float:
    if spec.kind == "flat":
        return 4 * dim
    if spec.is_graph:
        # lowest level, levels above (one row in `links`), level and offset
        links = 8 * spec.links + 4 * spec.links / (spec.links - 1) + 12
        return links + (2 * dim if spec.kind == "hnsw-fp16" else dim)
    # FAISS's id, and the number of the list that a filter needs
    labels = 8 + 4
    if spec.kind == "ivf-pq":
        return labels + ceil(dim / 8)
    return labels + ceil(dim / 8) * spec.bits + (8 if spec.bits == 1 else 20)


def _bytes_of_centroids(spec: Spec, dim: int) -> float:
    if not spec.is_inverted:
        return 0
    graph = 8 * 32 + 16 if spec.lists >= GRAPH_OF_CENTROIDS_FROM else 0
    # fast-scan codes fill blocks of 32 rows: half a block is empty in each list
    blocks = 16 * ceil(dim / 8) if spec.kind == "ivf-pq" else 0
    return spec.lists * (4 * dim + graph + blocks)


__all__ = [
    "KINDS",
    "Budget",
    "Plan",
    "advised",
    "estimated_ms",
    "human",
    "mapped_bytes",
    "plan",
    "resident_bytes",
    "smallest",
    "spec_of",
]
