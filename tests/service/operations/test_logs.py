"""Structured logs."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.operations import logs, request_ids
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready

LOGGER = logging.getLogger("vilem.service")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards the logger is as it was."""
    roots = [logging.getLogger(name) for name in (logs.LOGGER, "uvicorn", "uvicorn.error", "opentelemetry")]
    before = [(list(root.handlers), root.level, root.propagate) for root in roots]
    written = io.StringIO()
    logs.install("info", written)
    yield written
    for root, (handlers, level, propagate) in zip(roots, before, strict=True):
        root.handlers[:], root.propagate = handlers, propagate
        root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The records that were written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(stream: io.StringIO) -> None:
    """Whatever a message holds, newlines and quotes too, its record is one JSON object on one line."""
    LOGGER.warning("%s is not served: %s", "a\nb", 'because "no"')

    (record,) = lines(stream)
    assert ("warning", "vilem.service", 'a\nb is not served: because "no"') == (
        record["level"],
        record["logger"],
        record["message"],
    )
    assert record["time"].endswith("+00:00")


def test_exceptions_are_part_of_the_record(stream: io.StringIO) -> None:
    """A logged exception is in the same object, with its traceback."""
    try:
        raise ValueError("no")
    except ValueError:
        LOGGER.exception("it failed")

    (record,) = lines(stream)
    assert "ValueError: no" in record["exception"]


def test_the_level_is_the_least_that_is_written(stream: io.StringIO) -> None:
    """Below the level nothing is written."""
    LOGGER.debug("no")
    LOGGER.info("yes")

    assert ["yes"] == [record["message"] for record in lines(stream)]


def test_a_second_install_replaces_the_first(stream: io.StringIO) -> None:
    """Two apps in one process do not write each record twice."""
    other = io.StringIO()
    logs.install("info", other)
    LOGGER.info("once")

    assert "" == stream.getvalue()
    assert 1 == len(other.getvalue().splitlines())


def test_a_line_names_the_request_it_belongs_to(stream: io.StringIO) -> None:
    """What is logged while a request is answered has its name; what is logged otherwise has none."""

    def answer() -> None:
        request_ids.begin([(b"x-request-id", b"abc-1")])
        LOGGER.info("inside")

    copy_context().run(answer)
    LOGGER.info("outside")

    inside, outside = lines(stream)
    assert "abc-1" == inside["request_id"]
    assert "request_id" not in outside


def test_fields_stand_beside_the_message(stream: io.StringIO) -> None:
    """A record's own fields are members of its object, as they are: numbers stay numbers."""
    LOGGER.info("answered", extra={"fields": {"status": 200, "ms": 1.5}})

    (record,) = lines(stream)
    assert (200, 1.5, "answered") == (record["status"], record["ms"], record["message"])


def test_half_a_character_is_written(stream: io.StringIO) -> None:
    """A text that is no Unicode, as JSON may hold it, does not break the log."""
    LOGGER.info("sent", extra={"fields": {"texts": ["\ud800"]}})

    assert "sent" == lines(stream)[0]["message"]
    stream.getvalue().encode()


def test_a_client_cannot_fill_the_log(stream: io.StringIO) -> None:
    """Requests that are no HTTP are the server's warnings: below info only its errors are written, however it was configured."""
    logging.getLogger("uvicorn.error").setLevel("INFO")
    logs.install("warning", stream)
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").error("a task was cut off")

    assert ["a task was cut off"] == [record["message"] for record in lines(stream)]


def test_what_sends_traces_does_not_fill_the_log(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says with every batch is a line of JSON too, and one in ten minutes; something else is told at once."""
    sender = logging.getLogger("opentelemetry.exporter")
    for number in range(5):
        sender.error("no batch was sent, for the %d. time", number)
    sender.warning("another thing")
    monkeypatch.setattr(logs, "SELDOM_S", 0.0)
    sender.error("no batch was sent, for the %d. time", 6)

    told = [record["message"] for record in lines(stream)]
    assert ["no batch was sent, for the 0. time", "another thing", "no batch was sent, for the 6. time"] == told


@pytest.mark.parametrize("wanted", [True, False])
def test_every_text_of_a_request_is_in_its_line(
    painted: Path, monkeypatch: pytest.MonkeyPatch, *, wanted: bool
) -> None:
    """Where the operator wants texts in the log: what is proofread, and a hybrid search's own words, too. Else none is."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    asked: dict[str, dict[str, object]] = {
        "/v1/proofread": {"text": "a red kite", "collection": "painted", "ids": ["red-0.png"]},
        "/v1/collections/told/search": {"query": {"text": "a bird"}, "hybrid": {"text": "black"}},
    }
    app = create_app(Settings(home=painted, log_level="info", log_text=wanted))
    with TestClient(app, base_url=ADDRESS) as client:
        wait_until_ready(client)
        assert [200, 200] == [client.post(path, json=body).status_code for path, body in asked.items()]

    told = [each["texts"] for each in lines(written) if "texts" in each]
    assert ([["a red kite"], ["black", "a bird"]] if wanted else []) == told
