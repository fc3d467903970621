"""`create_app` wires the parts; it decides nothing."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service import problems
from service.encoding.shedding import Door
from service.guard.access import Access
from service.guard.body_limit import BodyLimit
from service.guard.hosts import TrustedHosts, refuse_exposure, trusted_hosts
from service.guard.sites import Sites
from service.heads import Heads
from service.openapi import describe_keys
from service.operations import logs, tracing
from service.operations.failures import Failures
from service.operations.metrics import Metrics
from service.operations.observe import Observe
from service.routes import collections, embeddings, items, models, ops, page, proofread, search, writes
from service.runtime import Runtime
from service.settings import Settings, warn_of_unknown

VERSION = "1"
DESCRIPTION = "Search images by text, texts by image. Errors are RFC 9457 problem JSON with a stable `type`."


def create_app(settings: Settings, *, warm: bool = False) -> FastAPI:
    """The app over the collections in `settings.home`; models are loaded when it starts, before it is asked if *warm*."""
    refuse_exposure(settings)
    metrics, draining = Metrics(), threading.Event()
    provider = tracing.provider_for(settings.otlp)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        logs.install(settings.log_level)
        if settings.workers == 1:
            # of several processes the one that looks after them says it
            warn_of_unknown()
        tracing.install(provider)
        runtime = Runtime(settings, metrics)
        app.state.runtime = runtime
        runtime.start()
        if warm:
            await runtime.ready(draining)
        yield
        await runtime.close()
        await asyncio.to_thread(tracing.close, provider)

    app = FastAPI(
        title="ViLEM Search",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        # ours writes it once (routes/ops)
        openapi_url=None,
        redoc_url=None,
        telemetry=tracing.of_requests(provider),
    )
    app.state.draining = draining
    problems.install(app, metrics)
    for each in (search, proofread, collections, items, writes, models, embeddings, ops, page):
        app.include_router(each.router)
    describe_keys(app)
    app.mount("/static", page.FILES, name="static")
    app.add_middleware(Heads)
    app.add_middleware(Door, metrics=metrics)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, patience_s=settings.deadline_s)
    app.add_middleware(Access, metrics=metrics)
    hosts = trusted_hosts(settings.host, settings.allowed_hosts)
    app.add_middleware(TrustedHosts, hosts=hosts, metrics=metrics)
    app.add_middleware(Failures, metrics=metrics, draining=draining)
    if settings.cors_origins:
        # outside of the keys: a browser sends none when it asks whether it may
        app.add_middleware(Sites, origins=settings.cors_origins, metrics=metrics)
    app.add_middleware(Observe, metrics=metrics, draining=draining)
    return app
