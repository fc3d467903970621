"""Structured logs: one JSON object a line, on stderr. No text and no picture of a client is logged unless it is asked for."""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import TextIO

from service.operations import request_ids, tracing

LOGGER = "vilem"
# What the HTTP server says, above all of requests that are none. A client can make it say that as often as it likes.
_SERVER = "uvicorn"
# What sends traces: of a collector that is gone it speaks with every batch.
_TRACES = "opentelemetry"
SELDOM_S = 600.0
_MARK = "vilem-json"


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, the request and trace it belongs to, and its own fields.

    A record's own fields are what `extra={"fields": {...}}` gave; the exception comes last, where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request := request_ids.current()) is not None:
            fields["request_id"] = request
        fields |= tracing.ids()
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        # half a surrogate pair, as a client's text may hold it, cannot be written
        return json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace").decode()


class Seldom(logging.Filter):
    """Passes what is said, whatever it is said of, once in `SELDOM_S`."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        # as it is in the program, before words are put in: these differ each time
        kind, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(kind, -SELDOM_S) < SELDOM_S:
            return False
        self._said[kind] = now
        return True


def install(level: str, stream: TextIO | None = None) -> None:
    """Write what the service, its server and what sends its traces log from *level* on to *stream*; a second call replaces the first.

    Of the server only errors are written, unless *level* is info or debug.
    """
    least = level.upper()
    for name in (LOGGER, _SERVER, _TRACES):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if handler.name == _MARK:
                logger.removeHandler(handler)
        made = logging.StreamHandler(stream or sys.stderr)
        made.name = _MARK
        made.setFormatter(JsonFormatter())
        if name == _TRACES:
            made.addFilter(Seldom())
        logger.addHandler(made)
        logger.setLevel("ERROR" if name == _SERVER and least == "WARNING" else least)
        logger.propagate = False
    # uvicorn's own configuration, where whoever starts it leaves that to it, gives this one a level of its own
    logging.getLogger(f"{_SERVER}.error").setLevel(logging.NOTSET)
