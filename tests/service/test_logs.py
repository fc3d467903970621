"""Structured logs."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from service import logs

LOGGER = logging.getLogger("vilem.service")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards the logger is as it was."""
    root = logging.getLogger(logs.LOGGER)
    handlers, level, propagate = list(root.handlers), root.level, root.propagate
    written = io.StringIO()
    logs.install("info", written)
    yield written
    root.handlers[:], root.propagate = handlers, propagate
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, str]]:
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
