"""WebDataset: tar shards in which `KEY.jpg` (or another format that is read) and `KEY.json` with `captions` stand together.

`KEY.txt` does as well: a caption on each line. Where both are there the JSON counts.

The source is one shard, or a folder of them; `--split val` then takes `val*.tar` only. One shard has no parts.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from models.decode import SUFFIXES
from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.layouts import records
from models.evaluation.layouts.files import Options, limited

LAYOUT = "webdataset"
EXPECTED = "uncompressed tar shards with KEY.jpg and KEY.json, or KEY.txt, beside each other"

# captions of one picture; a member that says it is larger is not read
_MAX_JSON_BYTES = 1 << 20


def load(source: Path, options: Options) -> Dataset:
    """Read all samples of all shards.

    Raises:
        DatasetInvalid: no shard, a damaged one, or a sample without picture or captions.
    """
    shards = _shards(source, options.split)
    # keys often begin anew in every shard
    entries = [
        entry if len(shards) == 1 else replace(entry, id=f"{shard.stem}/{entry.id}")
        for shard in shards
        for entry in _samples(shard)
    ]
    return Dataset(str(source), LAYOUT, options.split or "", limited(entries, options))


def _shards(source: Path, split: str | None) -> list[Path]:
    if source.is_file():
        if split is not None:
            raise DatasetInvalid(f"{source} is one shard, and has no split {split!r}: name the folder of {split}*.tar")
        return [source]
    pattern = f"{split or ''}*.tar"
    found = sorted(source.glob(pattern))
    if not found:
        raise DatasetInvalid(f"there is no {pattern} in {source}: expected {EXPECTED}")
    return found


def _samples(shard: Path) -> Iterator[Entry]:
    images: dict[str, tuple[int, int]] = {}
    texts: dict[str, dict[str, tuple[int, int]]] = {".json": {}, ".txt": {}}
    dotted: dict[str, str] = {}
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                key, suffix = _split_name(member.name)
                kept = images if suffix in SUFFIXES else texts.get(suffix)
                if kept is None and PurePosixPath(suffix).suffix in SUFFIXES:
                    dotted.setdefault(key, member.name)
                if kept is not None and member.isreg():
                    if key in kept:
                        # the later would take the earlier's place, or its captions
                        kind = "picture" if kept is images else suffix
                        raise DatasetInvalid(f"{shard}: {key} has more than one {kind}: expected {EXPECTED}")
                    kept[key] = member.offset_data, member.size
            _check_end(file, tar.offset)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DatasetInvalid(f"{shard} cannot be read to its end ({error}): expected {EXPECTED}") from error
    # "a.depth.png" is more of the sample "a"; without that it is a picture of its own whose name has a dot
    for key, name in dotted.items():
        if key not in images:
            path = PurePosixPath(name)
            better = path.name.replace(".", "_", path.name.count(".") - 1)
            raise DatasetInvalid(
                f"{shard}: {name} belongs to no sample, for a key ends at the first dot: write {better}"
            )
    # a text alone is no sample that lost its picture: shards hold a README.txt, a licence
    for key in images.keys() | texts[".json"].keys():
        if key not in images or not any(key in each for each in texts.values()):
            lacking = ".json with captions" if key in images else ".jpg"
            raise DatasetInvalid(f"{shard}: {key} has no {key}{lacking}: expected {EXPECTED}")
    for key, place in images.items():
        suffix = next(suffix for suffix, each in texts.items() if key in each)
        yield _entry(shard, key, suffix, place, texts[suffix][key])


def _check_end(file: IO[bytes], offset: int) -> None:
    """Refuse a shard that was cut between two members: figures of half a data set look like figures.

    Raises:
        tarfile.ReadError: it does not end as a tar ends, in a block of zeros.
    """
    file.seek(offset)
    if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"no end mark at byte {offset}")


def _entry(shard: Path, key: str, suffix: str, image: tuple[int, int], text: tuple[int, int]) -> Entry:
    if text[1] > _MAX_JSON_BYTES:
        raise DatasetInvalid(f"{shard}: {key}{suffix} has {text[1]:,} bytes: captions have at most {_MAX_JSON_BYTES:,}")
    record, fault = (records.parse if suffix == ".json" else records.lines)(_slice(shard, *text))
    if record is None:
        raise DatasetInvalid(f"{shard}: {key}{suffix}: {fault}: expected {records.EXPECTED}")
    return record.fill(Entry(key, partial(_slice, shard, *image), ()))


def _slice(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _split_name(name: str) -> tuple[str, str]:
    """Key and suffix of a member: its path up to the first dot of its name, and the rest in lower case."""
    path = PurePosixPath(name)
    stem, dot, rest = path.name.partition(".")
    return (path.parent / stem).as_posix(), (dot + rest).lower()
