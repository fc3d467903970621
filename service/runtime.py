"""What lives as long as the app: the catalogue, thread pools and the cache.

Everything is loaded in a thread, so the process answers /healthz from the first moment. A newly published snapshot is
opened beside the served one and takes its place by one assignment: a request sees one of them from end to end.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor

from service.cache import ByteLru, Cache
from service.catalogue import Catalogue, Loader
from service.embedding import Embedder
from service.errors import CollectionUnknown, ModelUnknown, NotReady, ServiceError
from service.metrics import Metrics
from service.models import Model
from service.served import Served
from service.settings import Settings
from service.workers import Workers

_log = logging.getLogger("vilem.service")

# Look-ups and files: mostly waiting, for a disk or an object store.
_READERS = 8
# Steps of one request that may each wait a whole deadline: decode, encode, search.
_STEPS = 3


class Runtime:
    """The app's state.

    Attributes:
        settings: as given.
        metrics: of this app.
        cache: embeddings and pages.
        thumbnails: small pictures, in this process only.
        decoders: threads that decode and scale pictures.
        readers: threads that look up records and read files.
        embedder: inputs to vectors.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.cache = Cache(
            settings.cache_bytes,
            metrics,
            redis_url=settings.redis_url,
            timeout_s=settings.redis_timeout_s,
            ttl_s=settings.cache_ttl_s,
        )
        self.thumbnails = ByteLru(settings.cache_bytes // 2)
        self.decoders = self._workers(settings.decode_threads, "decode")
        self.readers = self._workers(_READERS, "read")
        self.embedder = Embedder(settings, self.cache, self.decoders)
        self._catalogue = Catalogue()
        self._loaded = False
        self._loader = Loader(settings, metrics)
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def collections(self) -> list[Served]:
        """What is served, by name."""
        return [served for _, served in sorted(self._catalogue.served.items())]

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Collections and models that cannot be served, or not as last published: the reason by name."""
        return self._catalogue.unavailable

    def served(self, name: str) -> Served:
        """The collection of that name.

        Raises:
            NotReady: it is not loaded yet, or it cannot be served.
            CollectionUnknown: there is none.
        """
        found = self._catalogue.served.get(name)
        if found is not None:
            return found
        if name in self.unavailable:
            raise NotReady(f"collection {name!r} cannot be served: {self.unavailable[name]}")
        self._expect_loaded()
        raise CollectionUnknown(f"no collection {name[:100]!r} is served: GET /v1/collections lists those that are")

    def model(self, name: str) -> Model:
        """The loaded model of that name; raises ModelUnknown, or NotReady while loading."""
        models = {model.bundle.manifest.name: model for model in self._catalogue.models.values()}
        if name in models:
            return models[name]
        self._expect_loaded()
        names = ", ".join(sorted(models)) or "none"
        raise ModelUnknown(f"no model {name[:100]!r} is loaded; loaded: {names}. VILEM_MODELS names more to load")

    async def check(self) -> dict[str, str]:
        """Encode a text and search with it on every served collection; nothing comes from a cache.

        Returns:
            What failed, the reason by name; empty when all is well. What is unavailable fails only when nothing else is
            served: a collection that is being built is no reason to send no requests to the others.

        Raises:
            NotReady: still loading.
        """
        self._expect_loaded()
        failed = {} if self.collections else dict(self.unavailable)
        for served in self.collections:
            try:
                await served.probe()
            except ServiceError as error:
                failed[served.searcher.name] = str(error)
            except Exception as error:  # noqa: BLE001 - see below
                # a probe's work is to report, whatever it meets
                _log.exception("%s does not answer", served.searcher.name)
                failed[served.searcher.name] = f"a search failed ({type(error).__name__}): see the log"
        return failed

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._spawn(self._poll())

    async def close(self) -> None:
        """Stop looking for snapshots, end all threads and connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._loading.shutdown, wait=True, cancel_futures=True)
        for each in (*self._catalogue.served.values(), *self._catalogue.models.values()):
            await asyncio.to_thread(each.close)
        await self.cache.close()
        self.readers.close()
        self.decoders.close()

    def _expect_loaded(self) -> None:
        if not self._loaded:
            raise NotReady("the service is still loading: try again in a second")

    def _workers(self, threads: int, name: str) -> Workers:
        settings = self.settings
        return Workers(threads, max_queue=settings.max_queue, deadline_s=settings.deadline_s, name=name)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            old = self._catalogue
            try:
                self._catalogue = await loop.run_in_executor(self._loading, self._loader.refresh, old)
            except Exception:  # noqa: BLE001 - see below
                # one bad round, whatever its cause, must not end the looking for new snapshots
                _log.exception("could not look for new snapshots")
            self._loaded = True
            current = set(self._catalogue.served.values())
            for replaced in set(old.served.values()) - current:
                self._spawn(self._retire(replaced))
            await asyncio.sleep(self.settings.poll_s)

    async def _retire(self, replaced: Served) -> None:
        """Close what no new request can meet, once the last one that holds it must have ended."""
        try:
            await asyncio.sleep(_STEPS * self.settings.deadline_s)
        finally:
            await asyncio.to_thread(replaced.close)
