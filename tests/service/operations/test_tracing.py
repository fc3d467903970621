"""Traces, sent to a real collector."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.errors import TracingMissing
from service.operations import tracing
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collector import Collector, collecting
from tests.support.servers import free_port

SEARCH = "/v1/collections/colours/search"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def traced(home: Path) -> Iterator[tuple[Collector, list[dict[str, object]]]]:
    """What a collector got of one search of a caller who traces, and the log's lines of it."""
    with collecting() as collector, pytest.MonkeyPatch.context() as patched:
        patched.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        written = home.parent / "traced.log"
        with written.open("w") as stream:
            patched.setattr(sys, "stderr", stream)
            app = create_app(Settings(home=home, otlp=collector.endpoint, log_level="info"))
            with TestClient(app, base_url=ADDRESS) as client:
                wait_until_ready(client)
                headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "traced-1"}
                answer = client.post(SEARCH, json={"query": {"text": "a traced red"}}, headers=headers)
                assert 200 == answer.status_code
        yield collector, [json.loads(line) for line in written.read_text().splitlines()]


def test_a_request_is_a_span_in_its_callers_trace(traced: tuple[Collector, list[dict[str, object]]]) -> None:
    """The caller's traceparent is honoured: our span is a child of the caller's, and is named by the route's pattern."""
    collector, _ = traced
    request = collector.of_trace(TRACE)["POST /v1/collections/{name}/search"]

    assert PARENT == request.parent_span_id.hex()
    assert {tracing.SERVICE_NAME} == collector.services


def test_each_stage_is_a_span_within_the_request(traced: tuple[Collector, list[dict[str, object]]]) -> None:
    """Stages lie in their request's span, or in another stage's, and within its time."""
    spans = traced[0].of_trace(TRACE)
    known = {span.span_id: span for span in spans.values()}

    assert {"tokenize", "encode", "queue", "search", "total"} <= spans.keys()
    for name in ("tokenize", "encode", "queue", "search", "total"):
        around = known[spans[name].parent_span_id]
        assert around.start_time_unix_nano <= spans[name].start_time_unix_nano
        assert spans[name].end_time_unix_nano <= around.end_time_unix_nano


def test_nothing_a_client_wrote_is_sent(traced: tuple[Collector, list[dict[str, object]]]) -> None:
    """Spans have no query in them."""
    assert traced[0].spans
    assert not [span for span in traced[0].spans if "a traced red" in str(span)]


def test_lines_of_the_log_name_their_trace(traced: tuple[Collector, list[dict[str, object]]]) -> None:
    """The request's line has the ids by which the trace is found."""
    collector, lines = traced
    (line,) = [each for each in lines if each.get("request_id") == "traced-1" and each["logger"] == "vilem.access"]

    assert TRACE == line["trace_id"]
    assert line["span_id"] in {span.span_id.hex() for span in collector.of_trace(TRACE).values()}


def test_a_wait_that_is_over_is_a_span() -> None:
    """Of what is known afterwards, the span ends now and lasted as long."""
    with collecting() as collector:
        provider = tracing.provider_for(collector.endpoint)
        tracing.install(provider)
        tracing.past("queue", 0.25)
        tracing.close(provider)
        span = collector.wait_for("queue")

    assert 0.25 == pytest.approx((span.end_time_unix_nano - span.start_time_unix_nano) / 1e9, abs=1e-3)
    assert abs(time.time() - span.end_time_unix_nano / 1e9) < 60


def test_a_stage_that_fails_says_by_what(traced: tuple[Collector, list[dict[str, object]]]) -> None:
    """The kind of the exception is told, its words, which may be a client's, are not; and it goes on."""
    with collecting() as collector:
        provider = tracing.provider_for(collector.endpoint)
        tracing.install(provider)
        with pytest.raises(KeyError), tracing.stage("decode"):
            raise KeyError("secret")
        tracing.close(provider)
        span = collector.wait_for("decode")

    assert "KeyError" in str(span.attributes)
    assert "secret" not in str(span)


def test_a_collector_that_is_gone_costs_nothing() -> None:
    """Spans that nobody takes are dropped: stages go on, and the end comes within seconds."""
    provider = tracing.provider_for(f"http://127.0.0.1:{free_port()}")
    tracing.install(provider)
    for _ in range(100):
        with tracing.stage("search"):
            pass
    began = time.monotonic()
    tracing.close(provider)

    assert time.monotonic() - began < 5
    assert {} == tracing.ids()


def test_a_collector_that_is_gone_is_told_in_lines_of_json(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the sender says with every batch, stderr stays one object a line, and says each thing once."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    written = home.parent / "gone.log"
    with written.open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        app = create_app(Settings(home=home, otlp=f"http://127.0.0.1:{free_port()}"))
        with TestClient(app, base_url=ADDRESS) as client:
            wait_until_ready(client)
            until = time.monotonic() + 6
            while time.monotonic() < until:
                assert 200 == client.get("/v1/collections").status_code
                time.sleep(0.1)
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    told = [each["message"] for each in lines if each["logger"].startswith("opentelemetry")]

    assert 1 == sum("Failed to export" in each for each in told)
    assert 1 == sum("Transient error" in each for each in told)


def test_off_it_is_not_there() -> None:
    """Without an endpoint no SDK is loaded, no thread is started, a stage is the same nothing each time."""
    code = (
        "import sys, threading; from service.operations import tracing; from service.app import create_app\n"
        "from service.settings import Settings; create_app(Settings())\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter'))],"
        " threading.active_count(), tracing.stage('a') is tracing.stage('b'), tracing.ids(), tracing.provider_for(None))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[] 1 True {} None" == done.stdout.strip()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint where nothing can send is an error that names the extra and the variables."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(TracingMissing, match=r"vilem-search\[trace\].*VILEM_OTLP"):
        tracing.provider_for("http://127.0.0.1:4318")


@pytest.mark.parametrize("name", ["VILEM_OTLP", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_either_variable_switches_it_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Our own name and OpenTelemetry's are read; an empty one is none."""
    monkeypatch.setenv(name, "http://collector:4318")

    assert "http://collector:4318" == Settings().otlp
    monkeypatch.setenv(name, "")
    assert tracing.provider_for(Settings().otlp) is None
