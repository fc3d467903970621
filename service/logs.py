"""Structured logs: one JSON object a line, on stderr. No text and no picture of a client is ever logged."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

LOGGER = "vilem"
_MARK = "vilem-json"


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def install(level: str, stream: TextIO | None = None) -> None:
    """Write what the service logs from *level* on to *stream*; a second call replaces the first."""
    logger = logging.getLogger(LOGGER)
    for handler in list(logger.handlers):
        if handler.name == _MARK:
            logger.removeHandler(handler)
    made = logging.StreamHandler(stream or sys.stderr)
    made.name = _MARK
    made.setFormatter(JsonFormatter())
    logger.addHandler(made)
    logger.setLevel(level.upper())
    logger.propagate = False
