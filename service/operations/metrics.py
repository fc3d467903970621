"""Every metric of the service, named once. Each app has its own registry, so that several live in one process."""

import math
import os
from collections.abc import Iterator
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

# Where several processes of one service keep their metrics for each other; `service.operations.processes` sets it before any is made.
SHARED = "PROMETHEUS_MULTIPROC_DIR"

_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Among = Literal["livesum", "livemax", "livemin"]


class Metrics:
    """The metrics of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # those of collections, with what each is to say of one that is served no more
        self._of_collections: list[tuple[Gauge, float]] = []
        self.requests = self._counted("requests", "Answers by route and status.", "route", "status")
        self.stage = self._timed(
            "stage_seconds",
            "Time of a stage of a request, as often as it runs it, as encode for each input: fetch, lookup, tokenize, decode, encode (queue included), filter, search, diversify, proofread, facets, write, total.",
            "stage",
        )
        self.batch = Histogram(
            "vilem_batch_size",
            "Inputs in one batch.",
            ["queue"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.wait = self._timed("queue_wait_seconds", "Time an input waited for its batch.", "queue")
        self.proofs = self._counted("proofs", "Pairs of a text and a picture that were proofread.")
        self.cache = self._counted(
            "cache",
            "Cache look-ups by layer (answers, memory, redis) and result (hit, miss, damaged, skipped).",
            "layer",
            "result",
        )
        self.redis = self._counted(
            "redis_calls", "Calls to Redis by result (ok, refused, failed, skipped while it does not answer).", "result"
        )
        self.redis_open = self._now("redis_open", "1 while Redis is not asked, since it did not answer.", "livemax")
        self.rejected = self._counted("rejected", "Requests refused, by problem type.", "problem")
        self.in_flight = self._now("requests_in_flight", "Requests that are being answered.", "livesum")
        self.rows = self._now("collection_rows", "Items served.", "livemax", "collection")
        self.version = self._now("collection_version", "Dataset version served.", "livemin", "collection")
        self.published = self._now(
            "collection_published_seconds",
            "When the snapshot that is served was made, in Unix time: time() minus it is the index's age.",
            "livemin",
            "collection",
        )
        self.unpublished = self._now(
            "collection_unpublished",
            "Vectors written or dead since the snapshot, which searches meet one by one.",
            "livemax",
            "collection",
        )

    def _counted(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"vilem_{name}", told, labels, registry=self.registry)

    def _timed(self, name: str, told: str, *labels: str) -> Histogram:
        return Histogram(f"vilem_{name}", told, labels, buckets=_MILLISECONDS, registry=self.registry)

    def _now(self, name: str, told: str, among: Among, *labels: str) -> Gauge:
        """What holds at the moment; *among* several processes that serve together the sum, the most or the least is told."""
        made = Gauge(f"vilem_{name}", told, labels, multiprocess_mode=among, registry=self.registry)
        if labels:
            # what any other process says counts before it
            self._of_collections.append((made, math.inf if among == "livemin" else -math.inf))
        return made

    def forget(self, collection: str) -> None:
        """Tell no more of a collection that is served no more."""
        for each, nothing in self._of_collections:
            if SHARED in os.environ:
                # the files that processes keep for each other cannot forget
                each.labels(collection).set(nothing)
            else:
                each.remove(collection)

    def text(self) -> bytes:
        """All of them as Prometheus reads them; of several processes that serve together, of all of these."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        together.register(_Together())
        return generate_latest(together)


class _Together(Collector):
    """What all processes tell, without what they have forgotten."""

    def collect(self) -> Iterator[Metric]:
        """Each metric."""
        for each in MultiProcessCollector(CollectorRegistry()).collect():
            if each.type == "gauge":
                each.samples = [sample for sample in each.samples if math.isfinite(sample.value)]
            yield each
