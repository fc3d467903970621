"""Every metric of the service, named once. Each app has its own registry, so that several live in one process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "vilem_requests", "Answers by route and status.", ["route", "status"], registry=self.registry
        )
        self.stage = Histogram(
            "vilem_stage_seconds",
            "Time of one request in a stage: tokenize, decode, encode (queue included), filter, search, proofread, facets, write, total.",
            ["stage"],
            buckets=_MILLISECONDS,
            registry=self.registry,
        )
        self.batch = Histogram(
            "vilem_batch_size",
            "Inputs in one batch.",
            ["queue"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.wait = Histogram(
            "vilem_queue_wait_seconds",
            "Time an input waited for its batch.",
            ["queue"],
            buckets=_MILLISECONDS,
            registry=self.registry,
        )
        self.proofs = Counter(
            "vilem_proofs", "Pairs of a text and a picture that were proofread.", registry=self.registry
        )
        self.cache = Counter(
            "vilem_cache",
            "Cache look-ups by layer (answers, memory, redis) and result (hit, miss, damaged, skipped).",
            ["layer", "result"],
            registry=self.registry,
        )
        self.redis = Counter(
            "vilem_redis_calls",
            "Calls to Redis by result (ok, refused, failed, skipped while it does not answer).",
            ["result"],
            registry=self.registry,
        )
        self.redis_open = Gauge(
            "vilem_redis_open", "1 while Redis is not asked, since it did not answer.", registry=self.registry
        )
        self.rejected = Counter(
            "vilem_rejected", "Requests refused, by problem type.", ["problem"], registry=self.registry
        )
        self.in_flight = Gauge("vilem_requests_in_flight", "Requests that are being answered.", registry=self.registry)
        self.rows = Gauge("vilem_collection_rows", "Items served.", ["collection"], registry=self.registry)
        self.version = Gauge(
            "vilem_collection_version", "Dataset version served.", ["collection"], registry=self.registry
        )
        self.unpublished = Gauge(
            "vilem_collection_unpublished",
            "Vectors written or dead since the snapshot, which searches meet one by one.",
            ["collection"],
            registry=self.registry,
        )
