"""Captions of a file: one on each line, or in the `caption` or `captions` field of JSON lines."""

import json
from collections.abc import Iterator
from pathlib import Path

from models.negatives.errors import NegativesError


def read_captions(path: Path) -> list[str]:
    """Read captions in order; blank ones are left out.

    Args:
        path: UTF-8 text; `.jsonl` is read as JSON lines, such as `vilem scenes make` writes.

    Raises:
        NegativesError: the file cannot be read, or a line of JSON has no captions, which is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NegativesError(f"{path} cannot be read as UTF-8 text: {error}") from error
    lines = text.splitlines()
    found = _from_json(path, lines) if path.suffix == ".jsonl" else iter(lines)
    return [caption.strip() for caption in found if caption.strip()]


def _from_json(path: Path, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            captions = record["captions"] if "captions" in record else record["caption"]
        except (ValueError, KeyError, TypeError) as error:
            raise NegativesError(
                f"{path}, line {number} is no JSON object with `caption` or `captions`: {error}"
            ) from error
        yield from [captions] if isinstance(captions, str) else map(str, captions)
