"""An OTLP/HTTP collector: a real HTTP server that decodes what arrives."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What has arrived.

    Attributes:
        endpoint: for those who send.
        spans: all of them, in the order they came.
        services: names of who sent.
    """

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list[Span])
    services: set[str] = field(default_factory=set[str])

    def take(self, data: bytes) -> None:
        """Decode one request."""
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
            self.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """The spans of one trace by name."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace_id}

    def wait_for(self, name: str, patience_s: float = 20.0) -> Span:
        """The first span of that name.

        Raises:
            AssertionError: it never came.
        """
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            for span in self.spans:
                if span.name == name:
                    return span
            time.sleep(0.01)
        raise AssertionError(f"no span {name!r} among {[span.name for span in self.spans]}")


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens as long as the block lives."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                data = gzip.decompress(data)
            assert self.path == "/v1/traces"
            collector.take(data)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
