"""Vectors of a pinned collection become the index files of a snapshot."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.faiss_cpu import FaissIndex
from index.gpu.device import Gpus
from index.plan import Budget, Plan, spec_of
from index.recall import Queries, truths
from index.shares import plan_collection
from index.snapshot import IndexPart
from index.tune import Point, tune
from index.vectors import unit

# enough for a recall that is known to a point or two
SAMPLE = 200
# the kind of query that was given in a file
QUERIES = "queries"

Batches = Iterable[tuple[np.ndarray, np.ndarray]]
# reads the vectors anew, from the first
Source = Callable[[], Batches]


@dataclass(frozen=True)
class Sample:
    """Vectors that stand for all.

    Attributes:
        positions: (n,) int64, their places in the order of reading, rising.
        vectors: (n, d) float32, unit norm.
        seen: how many were read.
    """

    positions: np.ndarray
    vectors: np.ndarray
    seen: int

    def thinned(self, size: int) -> "Sample":
        """At most *size* of them, evenly spread."""
        step = max(1, -(-len(self.positions) // size))
        return Sample(self.positions[::step], self.vectors[::step], self.seen)

    def without(self, held_out: "Sample") -> "Sample":
        """The others; all of them where half would be missing, for an index of a few rows learns from what there is."""
        kept = ~np.isin(self.positions, held_out.positions)
        if 2 * kept.sum() < len(kept):
            return self
        return Sample(self.positions[kept], self.vectors[kept], self.seen)


def build_parts(
    collection: Collection,
    folder: Path,
    *,
    target_recall: float,
    budget: Budget | None = None,
    gpus: Gpus | None = None,
    queries: np.ndarray | None = None,
) -> tuple[IndexPart, IndexPart | None]:
    """Write the index of the images, and of the captions when there are any, into *folder*; cards, if any, help.

    Args:
        collection: pinned.
        folder: where the files go.
        target_recall: recall@10 to tune for.
        budget: what all of its indexes may spend.
        gpus: what helps.
        queries: (n, d) float32, of unit norm, that are asked too when it is tuned.

    Raises:
        PlanImpossible: an index of them does not fit its share of the budget.
        GpuFailed: a card failed, and cards are required.
    """
    images, captions = collection.item_vectors, collection.caption_vectors
    build = _Build.of(collection, folder, target_recall, budget, gpus, queries)
    sampled_images = sample(images(), build.enough("images"))
    # some of these rows may not count; how many is known when they were read
    sampled_captions = sample(captions(), build.enough("texts"))
    image_part = build.part("images", images, sampled_images, {"texts": _strangers(sampled_captions)})
    if not sampled_captions.seen:
        return image_part, None
    return image_part, build.part("texts", captions, sampled_captions, {"images": _strangers(sampled_images)})


def build_moments(
    collection: Collection,
    folder: Path,
    *,
    target_recall: float,
    budget: Budget | None = None,
    gpus: Gpus | None = None,
    queries: np.ndarray | None = None,
) -> IndexPart | None:
    """Write the index of the moments of videos into *folder*, when there are any; as `build_parts`."""
    moments = collection.moments
    build = _Build.of(collection, folder, target_recall, budget, gpus, queries)
    sampled = sample(moments.vectors(collection.items), build.enough("moments"))
    if not sampled.seen:
        return None
    # what asks for a moment is a text, or a picture
    texts = _strangers(sample(collection.caption_vectors()))
    return build.part("moments", lambda: moments.vectors(collection.items), sampled, {"texts": texts})


def sample(batches: Batches, size: int = SAMPLE) -> Sample:
    """At most *size* vectors, evenly spread over the stored ones; memory is bounded by twice that and one batch."""
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    stride, seen = 1, 0
    for _, vectors in batches:
        places = np.arange(-seen % stride, len(vectors), stride)
        kept.append((places + seen, np.asarray(vectors)[places]))
        seen += len(vectors)
        while sum(len(positions) for positions, _ in kept) > 2 * size:
            stride *= 2
            kept = [(positions[on], values[on]) for positions, values in kept for on in [positions % stride == 0]]
    if not seen:
        return Sample(np.zeros(0, np.int64), np.zeros((0, 0), np.float32), 0)
    positions, values = (np.concatenate([each[at] for each in kept]) for at in (0, 1))
    return Sample(positions, unit(values), seen).thinned(size)


@dataclass(frozen=True)
class _Build:
    """Where to, and what is wanted."""

    folder: Path
    dim: int
    target_recall: float
    latency_ms: float | None
    plans: Mapping[str, Plan]
    gpus: Gpus | None
    queries: np.ndarray

    @classmethod
    def of(
        cls,
        collection: Collection,
        folder: Path,
        target_recall: float,
        budget: Budget | None,
        gpus: Gpus | None,
        queries: np.ndarray | None,
    ) -> "_Build":
        """The collection's, as it is planned."""
        budget, dim = budget or Budget(), collection.info.dim
        plans = plan_collection(collection, budget, target_recall)
        asked = np.zeros((0, dim), np.float32) if queries is None else queries
        return cls(folder, dim, target_recall, budget.latency_ms, plans, gpus, asked)

    def enough(self, name: str) -> int:
        """How many of its vectors are queries, and what an index learns from."""
        return SAMPLE + self.plans[name].spec.training_rows(self.dim)

    def part(self, name: str, source: Source, sampled: Sample, others: Mapping[str, Queries]) -> IndexPart:
        """Build, tune and write one index; its own vectors are asked for as well as the *others*."""
        planned = _of_rows(self.plans[name], sampled.seen)
        held_out = sampled.thinned(SAMPLE)
        began = time.perf_counter()
        index, rowids = self._built(name, source, planned, sampled.seen, sampled.without(held_out))
        seconds = time.perf_counter() - began
        queries = {
            name: Queries(held_out.vectors.reshape(-1, self.dim), held_out.positions),
            **others,
            QUERIES: Queries.strangers(self.queries),
        }
        asked = {kind: each for kind, each in queries.items() if len(each.vectors)}
        # an exact index finds what is found: nothing is compared with it
        known = truths(source() if index.knobs else [], asked)
        best, curve = tune(index, known, self.target_recall, self.latency_ms)
        return self._written(name, index, rowids, planned, best, curve, seconds)

    def _built(
        self, name: str, source: Source, planned: Plan, rows: int, training: Sample
    ) -> tuple[FaissIndex, np.ndarray]:
        rowids: list[np.ndarray] = []
        index = FaissIndex.build(
            _split(source(), rowids),
            rows,
            self.dim,
            planned.spec,
            training=training.vectors,
            vectors=self.folder / _vectors_file(name),
            gpus=self.gpus,
        )
        return index, np.concatenate(rowids) if rowids else np.zeros(0, np.int64)

    def _written(
        self,
        name: str,
        index: FaissIndex,
        rowids: np.ndarray,
        planned: Plan,
        best: Point,
        curve: list[Point],
        seconds: float,
    ) -> IndexPart:
        refines = planned.spec.refines
        part = IndexPart(
            index_file=f"{name}.faiss",
            rowids_file=f"{name}.rowids.npy",
            vectors_file=_vectors_file(name) if refines else None,
            factory=index.factory,
            rows=index.rows,
            parameters=best.parameters,
            recall_at_10=best.worst,
            query_ms=best.query_ms,
            build_seconds=round(seconds, 2),
            kind=planned.spec.kind,
            why=list(planned.why),
            planned_bytes=planned.resident,
            mapped_bytes=planned.mapped,
            curve=curve,
        )
        index.save(self.folder / part.index_file)
        np.save(self.folder / part.rowids_file, rowids)
        return part


def _vectors_file(name: str) -> str:
    return f"{name}.vectors.f16"


def _of_rows(planned: Plan, rows: int) -> Plan:
    """The plan, where fewer *rows* count than it was made for: they fill no more lists than can be learnt from them."""
    lists = min(planned.spec.lists, spec_of(planned.spec.kind, rows).lists)
    return replace(planned, spec=replace(planned.spec, lists=lists))


def _strangers(sampled: Sample) -> Queries:
    return Queries.strangers(sampled.thinned(SAMPLE).vectors)


def _split(batches: Batches, rowids: list[np.ndarray]) -> Iterator[np.ndarray]:
    for ids, vectors in batches:
        rowids.append(ids)
        yield unit(vectors)
