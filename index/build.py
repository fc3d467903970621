"""Vectors of a pinned collection become the index files of a snapshot."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.faiss_cpu import FaissIndex
from index.gpu.device import Gpus
from index.plan import Budget, Plan, plan
from index.recall import Queries, truths
from index.snapshot import IndexPart
from index.tune import Point, tune
from index.vectors import unit

# enough for a recall that is known to a point or two
SAMPLE = 200

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


def build_parts(
    collection: Collection,
    folder: Path,
    *,
    target_recall: float,
    budget: Budget | None = None,
    gpus: Gpus | None = None,
) -> tuple[IndexPart, IndexPart | None]:
    """Write the index of the images, and of the captions when there are any, into *folder*; cards, if any, help.

    Raises:
        PlanImpossible: no index of them fits the budget.
        GpuFailed: a card failed, and cards are required.
    """
    images, captions = collection.item_vectors, collection.caption_vectors
    build = _Build(folder, collection.info.dim, target_recall, budget, _all_rows(collection), gpus)
    sampled_images = sample(images(), build.enough(collection.count()))
    # some of these rows may not count; how many is known when they were read
    sampled_captions = sample(captions(), build.enough(collection.captions.count_rows()))
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
) -> IndexPart | None:
    """Write the index of the moments of videos into *folder*, when there are any."""
    moments = collection.moments
    build = _Build(folder, collection.info.dim, target_recall, budget, _all_rows(collection), gpus)
    sampled = sample(moments.vectors(collection.items), build.enough(moments.count()))
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
    budget: Budget | None
    all_rows: int
    gpus: Gpus | None

    def enough(self, rows: int) -> int:
        """How many of *rows* vectors are both queries and what an index learns from."""
        return max(SAMPLE, self.planned(rows).spec.training_rows(self.dim))

    def planned(self, rows: int) -> Plan:
        """The index of *rows*, which get their share of the memory that is given for all."""
        budget = self.budget or Budget()
        if budget.memory is not None and rows < self.all_rows:
            budget = budget.model_copy(update={"memory": budget.memory * rows // self.all_rows})
        return plan(rows, self.dim, budget, self.target_recall)

    def part(self, name: str, source: Source, sampled: Sample, others: Mapping[str, Queries]) -> IndexPart:
        """Plan, build, tune and write one index; its own vectors are asked for as well as the *others*."""
        planned = self.planned(sampled.seen)
        began = time.perf_counter()
        index, rowids = self._built(name, source, sampled, planned)
        seconds = time.perf_counter() - began
        held_out = sampled.thinned(SAMPLE)
        queries = {name: Queries(held_out.vectors.reshape(-1, self.dim), held_out.positions), **others}
        asked = {kind: each for kind, each in queries.items() if len(each.vectors)}
        # an exact index finds what is found: nothing is compared with it
        best, curve = tune(index, truths(source() if index.knobs else [], asked), self.target_recall)
        return self._written(name, index, rowids, planned, best, curve, seconds)

    def _built(self, name: str, source: Source, sampled: Sample, planned: Plan) -> tuple[FaissIndex, np.ndarray]:
        rowids: list[np.ndarray] = []
        spec = planned.spec
        training = sampled.thinned(max(SAMPLE, spec.training_rows(self.dim))).vectors
        vectors = self.folder / _vectors_file(name)
        batches = _split(source(), rowids)
        index = FaissIndex.build(
            batches, sampled.seen, self.dim, spec, training=training, vectors=vectors, gpus=self.gpus
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


def _all_rows(collection: Collection) -> int:
    return collection.count() + collection.captions.count_rows() + collection.moments.count()


def _strangers(sampled: Sample) -> Queries:
    return Queries.strangers(sampled.thinned(SAMPLE).vectors)


def _split(batches: Batches, rowids: list[np.ndarray]) -> Iterator[np.ndarray]:
    for ids, vectors in batches:
        rowids.append(ids)
        yield unit(vectors)
