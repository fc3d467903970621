"""Indexes built and searched on GPUs beside the CPU: seconds to build, queries a second, and recall@10 of both, in one run.

    python -m benchmarks.index_gpu [--rows 200000] [--dim 512] [--kinds ivf-rabitq,ivf-pq,hnsw-fp16]

Vectors have the statistics of real embeddings (benchmarks.embeddings); half of the queries are pictures, half texts. Each kind
is built by the CPU and tuned for recall@10 0.95, as `vilem index publish` does; then it is built with the GPUs' help. The same
queries, in batches of 32 as the service makes them, alone, and alone from 32 threads at once (which share a GPU's searches), are
asked of the CPU and of the GPUs, in turns. Recall is against comparing with every vector. Without a GPU the CPU's half is
printed, and says so.

No GPU has run it yet. Predictions for a data centre's card, from 200,000 x 512 on: lists are built 5 x as fast, the graph 10 x;
batches are answered 10 x as fast, at a recall no lower.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.embeddings import Embeddings
from benchmarks.filtered import pairs
from benchmarks.table import Row, show
from index.build import sample
from index.faiss_cpu import FaissIndex
from index.gpu.device import Gpus, gpus_for
from index.gpu.served import served_by
from index.kinds.spec import Kind
from index.plan import spec_of
from index.recall import K, Queries, Truth, truths
from index.tune import tune
from index.vectors import VectorIndex

BATCH, ASKERS, ROUNDS = 32, 32, 5
RECALL = 0.95
KINDS: tuple[Kind, ...] = ("ivf-rabitq", "ivf-pq", "hnsw-fp16")


def built(source: Embeddings, rows: int, kind: Kind, folder: Path, gpus: Gpus | None) -> tuple[FaissIndex, float]:
    """An index of *rows* pictures, and the seconds that it took once the sample was drawn."""
    spec = spec_of(kind, rows)
    learnt = sample(pairs(source, rows), max(200, spec.training_rows(source.dim))).vectors
    batches = list(source.images(rows))
    began = time.perf_counter()
    file = folder / f"{kind}-{gpus is None}"
    index = FaissIndex.build(batches, rows, source.dim, spec, training=learnt, vectors=file, gpus=gpus)
    return index, time.perf_counter() - began


def tuned(source: Embeddings, rows: int, index: FaissIndex) -> dict[str, int]:
    """Its parameters for the wanted recall, on queries of their own."""
    held_out = sample(pairs(source, rows), 200)
    queries = {
        "images": Queries(held_out.vectors, held_out.positions),
        "texts": Queries.strangers(source.texts(200, seed=11)),
    }
    return tune(index, truths(pairs(source, rows), queries), RECALL)[0].parameters


def speeds(engines: Sequence[VectorIndex], queries: np.ndarray, parameters: dict[str, int]) -> list[list[float]]:
    """Of each engine, queries a second: in batches, alone, and alone from many threads; the engines take turns."""

    def alone(engine: VectorIndex) -> Callable[[np.ndarray], object]:
        return lambda query: engine.search(query[None], K, parameters)

    def batches(engine: VectorIndex) -> None:
        for start in range(0, len(queries), BATCH):
            engine.search(queries[start : start + BATCH], K, parameters)

    with ThreadPoolExecutor(ASKERS) as pool:
        ways: list[Callable[[VectorIndex], object]] = [
            batches,
            lambda engine: list(map(alone(engine), queries)),
            lambda engine: list(pool.map(alone(engine), queries)),
        ]
        found: list[list[list[float]]] = [[[] for _ in ways] for _ in engines]
        for _ in range(ROUNDS):
            for place, engine in enumerate(engines):
                for way, ask in enumerate(ways):
                    began = time.perf_counter()
                    ask(engine)
                    found[place][way].append(len(queries) / (time.perf_counter() - began))
    # the first round warms up
    return [[median(rates[1:]) for rates in each] for each in found]


def compared(
    source: Embeddings, rows: int, kind: Kind, truth: Sequence[Truth], folder: Path, gpus: Gpus | None
) -> list[Row]:
    """The figures of one kind."""
    plain, seconds = built(source, rows, kind, folder, None)
    parameters = tuned(source, rows, plain)
    engines: dict[str, VectorIndex] = {"CPU": plain}
    took = {"CPU": seconds}
    if gpus is not None:
        helped, took["GPU"] = built(source, rows, kind, folder, gpus)
        engines |= {"CPU, built by GPU": helped, "GPU": served_by(helped, gpus)}
    queries = np.concatenate([each.queries.vectors for each in truth])
    rates = dict(zip(engines, speeds(list(engines.values()), queries, parameters), strict=True))
    found = [Row(f"{kind}: built by {name}", value, "s") for name, value in took.items()]
    for name, engine in engines.items():
        recalls = [each.recall(engine.search(each.queries.vectors, K, parameters)[1]) for each in truth]
        found.append(Row(f"{kind}: recall@10, {name}", min(recalls), ""))
        for way, rate in zip(("in batches", "alone", f"from {ASKERS} threads"), rates[name], strict=True):
            found.append(Row(f"{kind}: {way}, {name}", rate, "queries/s"))
    if gpus is not None:
        found.append(Row(f"{kind}: built, CPU / GPU", took["CPU"] / took["GPU"], "x"))
        found.append(Row(f"{kind}: in batches, GPU / CPU", rates["GPU"][0] / rates["CPU"][0], "x"))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--kinds", default=",".join(KINDS))
    options, _ = parser.parse_known_args()
    gpus = gpus_for("auto")
    source = Embeddings.make(options.rows, options.dim)
    asked = {
        "images": Queries.strangers(next(source.images(200, seed=21))),
        "texts": Queries.strangers(source.texts(200, seed=22)),
    }
    truth = list(truths(pairs(source, options.rows), asked).values())
    found: list[Row] = []
    for kind in options.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            found += compared(source, options.rows, kind, truth, Path(folder), gpus)
    cards = "no GPU here, the CPU's half" if gpus is None else f"{gpus.count} GPUs"
    show(f"Built and searched: {options.rows:,} x {options.dim}, {cards}", found)


if __name__ == "__main__":
    main()
