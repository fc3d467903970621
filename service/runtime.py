"""What lives as long as the app: the catalogue, thread pools and the cache.

Everything is loaded in a thread, so the process answers /healthz from the first moment. A newly published snapshot is
opened beside the served one and takes its place by one assignment: a request sees one of them from end to end. So does
what was written to a collection since.
"""

import asyncio
import gc
import logging
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from index.errors import MilvusError
from index.live.changes import NO_COMMITS, Commits
from index.milvus.engine import Engine
from models.ort import available_cores
from service.caching.cache import ByteLru, Cache
from service.caching.redis_link import RedisLink
from service.catalogue import Catalogue, Loader
from service.encoding import urgency
from service.encoding.embedding import Embedder
from service.encoding.models import Model
from service.encoding.workers import Workers
from service.encoding.yielding import COMPUTING
from service.errors import (
    CollectionUnavailable,
    CollectionUnknown,
    ModelUnknown,
    NotReady,
    QueryInvalid,
    QueueFull,
    ServiceError,
)
from service.guard.addresses import HostRule, parse_network
from service.guard.fetching import Fetcher
from service.guard.keyring import Keyring
from service.guard.quotas import Quotas
from service.operations.metrics import Metrics
from service.operations.upkeep import Upkeep
from service.queries.answers import Answers
from service.queries.turns import Turns
from service.served import Lookups, Served
from service.settings import Settings
from service.writing import Writers

_log = logging.getLogger("vilem.service")

# Look-ups, and as many for files: mostly waiting, for a disk or an object store.
_READERS = 8
# New objects between two looks of the collector, which Python makes after every 700: in a busy service that was a twentieth
# of the event loop's time, to find next to nothing.
_COLLECT_AFTER = 20_000
# Probes come so often while all is well: each streams a tower's weights through the caches, and whoever is answered meanwhile
# waits some milliseconds, which at one in two seconds was the 99th percentile of all. Where something is at fault it is to be told
# soon that it is over. They take no more than one part in so many of the time; one that takes longer has failed.
_PROBE_S = 10.0
_AGAIN_S = 2.0
_READY_S = 0.05
_PROBE_SHARE = 20
_PROBE_PATIENCE_S = 5.0


class Runtime:
    """The app's state.

    Attributes:
        settings: as given.
        metrics: of this app.
        keyring: whose requests are answered.
        quotas: what each key may use.
        redis: the one way to it, if there is one.
        fetcher: of pictures by their address.
        cache: embeddings and pages.
        answers: of searches, in this process only.
        thumbnails: small pictures, in this process only.
        decoders: threads that decode and scale pictures.
        readers: threads that look up records.
        files: threads that read pictures' files; slow storage holds up nothing else.
        pictures: leave to hold a picture's file in memory.
        turns: for large JSON.
        embedder: inputs to vectors.
        writers: changes to collections.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.keyring = Keyring(settings.keys_file, settings.poll_s)
        self.redis = (
            None if settings.redis_url is None else RedisLink(settings.redis_url, settings.redis_timeout_s, metrics)
        )
        self.quotas = Quotas(self.redis)
        self.fetcher = _fetcher(settings)
        self.cache = Cache(settings.cache_bytes, metrics, redis=self.redis, ttl_s=settings.cache_ttl_s)
        self.answers = Answers(self.cache.memory, metrics)
        self.thumbnails = ByteLru(settings.cache_bytes // 2)
        decoders = settings.decode_threads or available_cores()
        self.decoders = self._workers(decoders, "decode", gives_way=COMPUTING)
        self.readers = self._workers(_READERS, "read")
        self.files = self._workers(_READERS, "file")
        self.pictures = asyncio.Semaphore(_READERS)
        self.turns = Turns()
        self.embedder = Embedder(settings, self.cache, self.decoders)
        self.writers = Writers(settings, metrics, self.advance)
        self._catalogue = Catalogue()
        # whoever puts another catalogue in the place of this one holds it
        self._swap = threading.Lock()
        self._loaded = False
        self._faults: dict[str, str] | None = None
        self._changed = asyncio.Event()
        self._loader = Loader(settings, metrics)
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._upkeep = Upkeep(settings)
        self._keeping = ThreadPoolExecutor(1, thread_name_prefix="upkeep")
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def collections(self) -> list[Served]:
        """What is served, by name."""
        return [served for _, served in sorted(self._catalogue.served.items())]

    @property
    def models(self) -> list[Model]:
        """What is loaded, by name, then by digest."""
        return sorted(self._catalogue.models.values(), key=lambda each: (each.bundle.manifest.name, each.bundle.digest))

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Collections and models that cannot be served, or not as last published: the reason by name."""
        return self._catalogue.unavailable

    def served(self, name: str) -> Served:
        """The collection of that name.

        Raises:
            NotReady: it is not loaded yet.
            CollectionUnavailable: it cannot be served.
            CollectionUnknown: there is none.
        """
        found = self._catalogue.served.get(name)
        if found is not None:
            return found
        # looked up once: the catalogue may be another a moment later
        if (reason := self.unavailable.get(name)) is not None:
            raise CollectionUnavailable(name, reason)
        self._expect_loaded()
        raise CollectionUnknown(f"no collection {name[:100]!r} is served: GET /v1/collections lists those that are")

    def advance(self, name: str, made: Commits = NO_COMMITS) -> Served:
        """See what was just committed to a served collection; from any thread.

        Args:
            name: of the collection.
            made: what is known of the commits; see `View.advanced`.

        Raises:
            CollectionUnknown: it is not served any more.
        """
        with self._swap:
            if name not in self._catalogue.served:
                raise CollectionUnknown(
                    f"collection {name[:100]!r} is served no more: GET /v1/collections lists those that are"
                )
            self._catalogue = self._catalogue.changed(name, lambda served: served.advanced(made))
            served = self._catalogue.served[name]
        self._note(served)
        return served

    def model(self, name: str) -> Model:
        """The loaded model of that name, or digest; of several that have the name, the one that serves a collection.

        Raises:
            NotReady: nothing is loaded yet.
            ModelUnknown: there is none.
            QueryInvalid: several of that name serve collections.
        """
        models = self._catalogue.models
        named = [model for digest, model in models.items() if name in (model.bundle.manifest.name, digest)]
        in_use = {served.model for served in self.collections}
        found = [model for model in named if model in in_use] or named
        if len(found) == 1:
            return found[0]
        self._expect_loaded()
        if found:
            raise QueryInvalid(
                "model",
                f"{len(found)} bundles of the name {name!r} are in use: give the bundle_digest that GET /v1/collections "
                "shows for the collection you mean",
            )
        names = ", ".join(sorted({model.bundle.manifest.name for model in models.values()})) or "none"
        raise ModelUnknown(f"no model {name[:100]!r} is loaded; loaded: {names}. VILEM_MODELS names more to load")

    def faults(self) -> dict[str, str]:
        """What the last probe found, the reason by name; empty when all is well.

        What is unavailable counts only when nothing else is served: a collection that is being built is no reason to
        send no requests to the others.

        Raises:
            NotReady: still loading, or not probed yet.
        """
        self._expect_loaded()
        if not self.collections:
            return dict(self.unavailable)
        if self._faults is None:
            raise NotReady("the first searches are under way: try again in a second")
        return {name: why for name, why in self._faults.items() if name in self._catalogue.served}

    async def ready(self, given_up: threading.Event) -> None:
        """Wait until everything is loaded and was searched once, or nobody needs it any more."""
        while not given_up.is_set():
            with suppress(NotReady):
                self.faults()
                return
            await asyncio.sleep(_READY_S)

    async def check(self) -> dict[str, str]:
        """Encode a text and search with it on every served collection, past every cache; keeps and returns `faults`.

        Raises:
            NotReady: still loading.
        """
        self._expect_loaded()
        # meanwhile others may be published
        probed = self.collections
        found = await asyncio.gather(*(self._fault(served) for served in probed))
        faults = zip(probed, found, strict=True)
        self._faults = {served.searcher.name: why for served, why in faults if why is not None}
        return self.faults()

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._spawn(self._poll())
        self._spawn(self._keep_probing())
        self._spawn(self._keep_up())

    async def close(self) -> None:
        """Stop looking for snapshots, end all threads and connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._upkeep.close)
        for pool in (self._loading, self._keeping):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)
        # what is being committed is finished
        await asyncio.to_thread(self.writers.close)
        for each in self._catalogue.parts():
            await asyncio.to_thread(each.close)
        await self.cache.close()
        if self.redis is not None:
            await self.redis.close()
        await self.fetcher.close()
        self.readers.close()
        self.files.close()
        self.decoders.close()

    def _expect_loaded(self) -> None:
        if not self._loaded:
            raise NotReady("the service is still loading: try again in a second")

    async def _fault(self, served: Served) -> str | None:
        urgency.prefer(urgency.PROBE)
        try:
            async with asyncio.timeout(_PROBE_PATIENCE_S):
                await served.probe()
        except QueueFull:
            # busy, which is no fault: callers are told 429, and fewer replicas would not help them
            return (self._faults or {}).get(served.searcher.name)
        except TimeoutError:
            return f"a search took more than {_PROBE_PATIENCE_S:.0f} s"
        except (ServiceError, MilvusError) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - see below
            # a probe's work is to report, whatever it meets
            if served.searcher.name not in (self._faults or {}):
                _log.exception("%s does not answer", served.searcher.name)
            return f"a search failed ({type(error).__name__}): see the log"
        return None

    def _workers(self, threads: int, name: str, gives_way: int = 0) -> Workers:
        settings = self.settings
        return Workers(
            threads,
            max_queue=settings.max_queue,
            deadline_s=settings.deadline_s,
            name=name,
            metrics=self.metrics,
            gives_way=gives_way,
        )

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            old = self._catalogue.parts()
            try:
                await loop.run_in_executor(self._loading, self._look)
            except Exception:  # noqa: BLE001 - see below
                # one bad round, whatever its cause, must not end the looking for new snapshots
                _log.exception("could not look for new snapshots")
            if not self._loaded:
                # what is there now stays: else the collector would look through it again and again, 0.1 s each time
                gc.freeze()
                gc.set_threshold(_COLLECT_AFTER)
            if not self._loaded or old != self._catalogue.parts():
                self._loaded = True
                self._changed.set()
            for replaced in old - self._catalogue.parts():
                self._spawn(self._retire(replaced))
            await self.writers.keep(self._catalogue.served)
            await asyncio.sleep(self.settings.poll_s)

    def _look(self) -> None:
        """Take up what was published, and what others wrote."""
        old = self._catalogue
        fresh = self._loader.refresh(old)
        with self._swap:
            # meanwhile our own writes went on: what was not opened anew is at a later version now
            now = self._catalogue.served
            served = {name: now[name] if each is old.served.get(name) else each for name, each in fresh.served.items()}
            self._catalogue = replace(fresh, served={name: each.advanced() for name, each in served.items()})
        for each in self._catalogue.served.values():
            self._note(each)

    def _note(self, served: Served) -> None:
        searcher = served.searcher
        self.metrics.rows.labels(searcher.name).set(searcher.count)
        self.metrics.version.labels(searcher.name).set(searcher.version)
        made = datetime.fromisoformat(searcher.manifest.created_at)
        self.metrics.published.labels(searcher.name).set(made.timestamp())
        self.metrics.unpublished.labels(searcher.name).set(searcher.unpublished)

    async def _keep_probing(self) -> None:
        loop = asyncio.get_running_loop()
        await self._changed.wait()
        while True:
            self._changed.clear()
            began = loop.time()
            try:
                await self.check()
            except Exception:  # noqa: BLE001 - see below
                # one bad round must not end the probing: what it last found would be told for ever
                _log.exception("the collections could not be probed")
            pause = max(_AGAIN_S if self._faults else _PROBE_S, _PROBE_SHARE * (loop.time() - began))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            searchers = [served.searcher for served in self.collections]
            try:
                await loop.run_in_executor(self._keeping, self._upkeep.look, searchers)
            except Exception:  # noqa: BLE001 - see below
                # one bad round must not end the upkeep
                _log.exception("the collections could not be looked after")
            await asyncio.sleep(self.settings.poll_s)

    async def _retire(self, replaced: Lookups | Model | Engine) -> None:
        """Close what no new request can meet, once the deadline of the last one that holds it has passed."""
        try:
            await asyncio.sleep(self.settings.deadline_s)
        finally:
            await asyncio.to_thread(replaced.close)


def _fetcher(settings: Settings) -> Fetcher:
    rules = [HostRule.parse(each) for each in settings.url_hosts]
    networks = [parse_network(each) for each in settings.url_networks]
    return Fetcher(rules, networks, max_bytes=settings.max_body_bytes)
