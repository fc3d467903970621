"""A table with a row for each image or video: JSONL, CSV, TSV or Parquet."""

import csv
import json
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from index.errors import SourceError
from index.sources.item import CAPTION_FIELDS, SourceItem, Unusable, split_fields, without_nan
from index.sources.uri import is_local, open_binary, open_filesystem, uri_of

# the column that says where an item is, in order of preference
PATH_FIELDS = ("path", "image", "file", "file_name", "filename", "video")
# holds videos, whatever their names end in
_VIDEO_FIELD = "video"
ID_FIELD = "id"
_BATCH_ROWS = 1_024
# csv's own limit of 128 KiB a field is less than our metadata may have
csv.field_size_limit(1_048_576)

Row = tuple[int, Mapping[str, object] | str]
"""Number of a row, from 1, and its fields; or what is wrong with it."""


class TableSource:
    """The rows of a table.

    The column `path` (or `image`, `file`, `file_name`, `filename`, `video`) is a path or URL; a relative one starts from
    *root* or else from the table's folder. `id` is optional, the path as written is the default. `caption` and `captions`
    hold one text or a list; every other column is metadata. CSV values stay strings, and empty ones are left out.
    """

    def __init__(self, url: str, *, root: str | None = None) -> None:
        self._filesystem, self._path = open_filesystem(url)
        self._reader = READERS[PurePosixPath(self._path).suffix.lower()]
        folder = self._filesystem, posixpath.dirname(self._path)
        self._root = folder if root is None else open_filesystem(root)

    @property
    def uri(self) -> str:
        """The table's URI."""
        return uri_of(self._filesystem, self._path)

    @property
    def places(self) -> list[str]:
        """The table: a row that cannot be understood is reported under its number."""
        return [self.uri]

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        for number, row in self._rows():
            place = f"{PurePosixPath(self._path).name}:{number}"
            yield self._item(row, place) if isinstance(row, Mapping) else self._unusable(place, row)

    def count(self) -> int | None:
        """Number of rows, for a CSV of lines; None on a remote file system."""
        if not is_local(self._filesystem):
            return None
        with open_binary(self._filesystem, self._path) as file:
            if self._reader is _parquet_rows:
                return int(pq.ParquetFile(file).metadata.num_rows)
            lines, last = 0, b"\n"
            for chunk in iter(lambda: file.read(1 << 20), b""):
                lines, last = lines + chunk.count(b"\n"), chunk[-1:]
        # the last line need not be ended
        return max(0, lines + (last != b"\n") - (self._reader is not _jsonl_rows))

    def _rows(self) -> Iterator[Row]:
        try:
            with open_binary(self._filesystem, self._path) as file:
                yield from self._reader(file)
        except (OSError, pa.ArrowException, csv.Error, UnicodeDecodeError) as error:
            raise SourceError(f"{self._path} cannot be read as a table ({error}): mend or convert it") from error

    def _item(self, row: Mapping[str, object], place: str) -> SourceItem | Unusable:
        field = next((name for name in PATH_FIELDS if row.get(name)), None)
        if field is None:
            return self._unusable(
                place, f"the row has none of {', '.join(PATH_FIELDS)}: it names no image and no video"
            )
        path, item_id = row[field], row.get(ID_FIELD)
        if not isinstance(path, str):
            return self._unusable(place, f"column {field!r} holds a {type(path).__name__}: it must be a path or URL")
        try:
            name = path if item_id is None or item_id == "" else str(item_id)
            captions, metadata = split_fields(row, drop=frozenset((field, ID_FIELD)))
            uri, video = self._uri(path), True if field == _VIDEO_FIELD else None
            return SourceItem(id=name, uri=uri, captions=captions, metadata=metadata, video=video)
        except (TypeError, ValueError, RecursionError) as error:
            return self._unusable(place, f"the row cannot be understood ({error}): mend it")

    def _unusable(self, place: str, detail: str) -> Unusable:
        return Unusable(id=place, uri=self.uri, reason="bad-row", detail=detail)

    def _uri(self, path: str) -> str:
        if "://" in path:
            return path
        filesystem, root = self._root
        return uri_of(filesystem, posixpath.normpath(posixpath.join(root, path)))


def _jsonl_rows(file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if line.isspace():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            yield number, f"the line is not JSON: {error}"
            continue
        yield number, row if isinstance(row, dict) else "the line is not a JSON object"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, whose names stand in it once: of two the first would be lost without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"{_twice([name for name, _ in pairs])!r} comes more than once in an object")
    return found


def _twice(names: Sequence[str]) -> str | None:
    """A name that comes more than once, if there is one."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _expect_once(columns: Sequence[str]) -> None:
    if (again := _twice(columns)) is not None:
        raise SourceError(
            f"the table has more than one column {again!r}, of which all but one would be lost: rename them"
        )


def _delimited(delimiter: str) -> Callable[[IO[bytes]], Iterator[Row]]:
    def rows(file: IO[bytes]) -> Iterator[Row]:
        # utf-8-sig: spreadsheets write a byte order mark
        lines = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(file))
        # strict: a quote that nothing closes would take the rows behind it for one field
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == ",", strict=True)
        try:
            filled = filter(None, reader)
            names = [name.strip() for name in next(filled, [])]
            _expect_once([name for name in names if name not in CAPTION_FIELDS])
            for number, values in enumerate(filled, start=1):
                if len(values) > len(names):
                    yield number, f"the row has more than the header's {len(names)} columns"
                else:
                    yield number, _named(names, values)
        except csv.Error as error:
            raise csv.Error(
                f"line {reader.line_num}: {error}; a field with quotes in it is enclosed in quotes, and those in it are doubled"
            ) from error

    return rows


def _named(names: Sequence[str], values: Sequence[str]) -> dict[str, object]:
    """Values by the names of their columns, but for empty ones; of several columns of captions all."""
    found: dict[str, object] = {}
    captions: dict[str, list[str]] = {name: [] for name in CAPTION_FIELDS}
    for name, value in zip(names, values, strict=False):
        if value and name in captions:
            captions[name].append(value)
        elif value:
            found[name] = value
    return found | {name: said for name, said in captions.items() if said}


def _parquet_rows(file: IO[bytes]) -> Iterator[Row]:
    number = 0
    _expect_once(pq.ParquetFile(file).schema_arrow.names)
    for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH_ROWS):
        for at in range(batch.num_rows):
            number += 1
            try:
                (row,) = batch.slice(at, 1).to_pylist()
            except (ValueError, OverflowError, LookupError) as error:
                # a date after the year 9999, a time zone that nobody knows
                yield number, f"a value has no form in Python: {error}"
                continue
            yield number, without_nan(row)


READERS: Mapping[str, Callable[[IO[bytes]], Iterator[Row]]] = {
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".parquet": _parquet_rows,
}
