"""JSONL: on each line `path` (or `image`) of a picture, relative to the file's folder, and a record (`captions`, …).

Where a split is asked for, lines whose `split` is another one, or missing, are passed over.
"""

import json
from pathlib import Path

from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.layouts import records
from models.evaluation.layouts.files import OnDisk, Options, dataset_of, find_image

LAYOUT = "jsonl"
EXPECTED = "a JSONL file with `path` (or `image`) of an image and `captions`, a list of texts, on each line"


def load(source: Path, options: Options) -> Dataset:
    """Read all lines.

    Raises:
        DatasetInvalid: no such file, a line is not such an object, or pictures are missing.
    """
    if not source.is_file():
        raise DatasetInvalid(f"no data set at {source}: expected {EXPECTED}")
    folders = (source.parent, *options.images)
    # octets: a line that is no UTF-8 is told by its number
    with source.open("rb") as lines:
        read = [_line(text, f"{source}, line {number}", folders) for number, text in enumerate(lines, 1)]
    found = [each for split, each in read if options.split in (None, split)]
    if read and not found:
        known = ", ".join(sorted({str(split) for split, _ in read if split is not None})) or "none on any line"
        raise DatasetInvalid(f"{source} has no split {options.split!r}: it has {known}")
    return dataset_of(found, source, LAYOUT, options)


def _line(text: bytes, where: str, folders: tuple[Path, ...]) -> tuple[object, OnDisk]:
    record, fault = records.parse(text)
    fields = json.loads(text) if record else {}
    name = fields.get("path", fields.get("image"))
    if record is None or not isinstance(name, str):
        raise DatasetInvalid(f"{where}: {fault or 'path: a string is missing'}: expected {EXPECTED}")
    path = find_image(folders, name)
    return fields.get("split"), OnDisk(record.fill(Entry(str(fields.get("id", name)), path.read_bytes, ())), path)
