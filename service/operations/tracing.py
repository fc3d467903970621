"""OpenTelemetry traces: a span for each request, which FastAPI makes, and one in it for each stage.

Off unless an endpoint is set. Then nothing of OpenTelemetry but its API is imported, which FastAPI brings, and a stage costs one look
at a variable. On, spans wait in memory and are sent in batches by a thread of their own: a collector that is slow or gone costs spans,
never a request.
"""

import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, cast

from service.errors import TracingMissing

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

SERVICE_NAME = "vilem-search"
_PATH = "v1/traces"
# One batch at most, and what is left then is lost: a stop must not wait for a collector that is gone.
_EXPORT_S = 2.0
_NOTHING: AbstractContextManager[None] = nullcontext()

_tracer: "Tracer | None" = None


def provider_for(endpoint: str | None) -> "TracerProvider | None":
    """What makes and sends spans; None without an *endpoint*, and nothing is imported.

    Args:
        endpoint: base address of an OTLP/HTTP collector, e.g. http://localhost:4318.

    Raises:
        TracingMissing: the extra `trace` is not installed.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingMissing(
            f"traces are to be sent to {endpoint}, and OpenTelemetry is not installed: pip install 'vilem-search[trace]', or unset "
            "VILEM_OTLP and OTEL_EXPORTER_OTLP_ENDPOINT"
        ) from error
    # what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say stays
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/{_PATH}", timeout=_EXPORT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def of_requests(provider: "TracerProvider | None") -> "TelemetryConfig":
    """What FastAPI is to tell: a span for each request, in the trace that its `traceparent` names, and nothing else.

    Not its metrics, which /metrics has, and not its logs, for they hold what clients sent.
    """
    told: TelemetryConfig = {"auto_configure": False, "metrics": False, "logs": False, "operation_spans": False}
    return {**told, "tracing": provider is not None, "tracer_provider": provider}


def install(provider: "TracerProvider | None") -> None:
    """Make spans of stages with *provider* from now on; None: make none."""
    global _tracer  # noqa: PLW0603 - one for the process, as the logs are; what is off must cost nothing
    _tracer = None if provider is None else provider.get_tracer("vilem")


def close(provider: "TracerProvider | None") -> None:
    """Send what waits, for a few seconds at most, and make no more spans."""
    install(None)
    if provider is not None:
        provider.shutdown()


def stage(name: str) -> AbstractContextManager[None]:
    """A span round a stage of the request that is being answered."""
    return _NOTHING if _tracer is None else _span(_tracer, name)


def here() -> object:
    """Where in a trace the caller is, for `past` in another thread; None when traces are off."""
    if _tracer is None:
        return None
    from opentelemetry.context import get_current

    return get_current()


def past(name: str, seconds: float, where: object = None) -> None:
    """A span of so many *seconds* that ends now, of a wait that is only known once it is over; *where* is from `here`."""
    if _tracer is not None:
        now = time.time_ns()
        context = cast("Context | None", where)
        _tracer.start_span(name, context=context, start_time=now - int(seconds * 1e9)).end(now)


def ids() -> dict[str, str]:
    """The running span as log lines name it; empty where there is none."""
    if _tracer is None:
        return {}
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


@contextmanager
def _span(tracer: "Tracer", name: str) -> Generator[None]:
    # an exception's words may be a client's: its kind is enough
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            raise
