"""What the layouts share: JSON files, folders of pictures, and sentences about what is missing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from models.evaluation.dataset import Dataset, DatasetInvalid, Entry, Unit

T = TypeVar("T")

# names of missing pictures that a message lists; the rest is a count
_NAMED = 5


@dataclass(frozen=True)
class Options:
    """How a source is read; each layout says in its module what it makes of them.

    Attributes:
        split: which part; None for the layout's own choice.
        images: folders with the pictures, tried in this order; none for the layout's own place.
        pool: file that lists further pictures to search among (fine-grained pools).
        captions: keep the first so many captions of each picture; None for the layout's convention, 0 for all.
        skip_missing: leave pictures out whose files are missing, instead of refusing.
    """

    split: str | None = None
    images: tuple[Path, ...] = ()
    pool: Path | None = None
    captions: int | None = None
    skip_missing: bool = False


def read_json(path: Path, shape: type[T], expected: str) -> T:
    """Parse a JSON file as *shape*.

    Args:
        path: the file.
        shape: what pydantic makes of it.
        expected: what should lie there, for the message.

    Raises:
        DatasetInvalid: no such file, or it holds something else.
    """
    if not path.is_file():
        raise DatasetInvalid(f"{path} is missing: expected {expected}")
    try:
        return TypeAdapter(shape).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DatasetInvalid(f"{path}: {place}: {first['msg']}: expected {expected}") from error


def peek_json(path: Path) -> object:
    """Whatever a JSON file holds.

    Raises:
        DatasetInvalid: it is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DatasetInvalid(f"{path} is not JSON: {error}") from error


def find_image(folders: Sequence[Path], *names: str) -> Path:
    """The first of `folder/name` that is there, else the first that could be."""
    candidates = [folder / name for folder in folders for name in names]
    return next((path for path in candidates if path.is_file()), candidates[0])


def image_folders(options: Options, beside: Path) -> tuple[Path, ...]:
    """Where the pictures lie: as told, or `images/` beside the file, or the file's own folder.

    Raises:
        DatasetInvalid: a folder that was given is missing.
    """
    for folder in options.images:
        if not folder.is_dir():
            raise DatasetInvalid(f"{folder} is missing: expected a folder with the pictures of {beside.name}")
    return options.images or (beside.parent / "images", beside.parent)


@dataclass(frozen=True)
class OnDisk:
    """An entry to be, and the file that its picture should lie in."""

    entry: Entry
    path: Path


def entry_of(path: Path, entry_id: str, captions: tuple[str, ...]) -> OnDisk:
    """A captioned picture in a file."""
    return OnDisk(Entry(entry_id, path.read_bytes, captions), path)


def dataset_of(
    found: Sequence[OnDisk], source: Path, layout: str, options: Options, limit: int = 0, unit: Unit = "image"
) -> Dataset:
    """A data set of the pictures whose files are there.

    Args:
        found: the pictures that the layout names.
        source: the file or folder that names them.
        layout: its layout.
        options: how it is read.
        limit: the layout's convention of captions for each picture; 0 for all.
        unit: what the pictures are.

    Raises:
        DatasetInvalid: pictures are missing and are not to be skipped, or nothing is left.
    """
    missing = [each.path for each in found if not each.path.is_file()]
    # with none left their folder is another
    if missing and (not options.skip_missing or len(missing) == len(found)):
        raise DatasetInvalid(missing_images(missing, len(found), unit))
    gone = set(missing)
    kept = limited([each.entry for each in found if each.path not in gone], options, limit)
    return Dataset(str(source), layout, options.split or "", kept, len(missing), unit)


def limited(entries: Sequence[Entry], options: Options, limit: int = 0) -> tuple[Entry, ...]:
    """The entries with as many captions each as was asked for, or as the layout's convention says."""
    wanted = limit if options.captions is None else options.captions
    return tuple(each.first_captions(wanted) if wanted else each for each in entries)


def missing_images(missing: Sequence[Path], total: int, unit: Unit = "image") -> str:
    """One sentence: how many pictures are missing, which, and what can be done."""
    names = ", ".join(path.name for path in missing[:_NAMED])
    what, option = ("videos", "--videos") if unit == "video" else ("pictures", "--images")
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    return (
        f"{len(missing):,} of {total:,} {what} are missing: expected {missing[0].parent} to hold {names}{more}; "
        f"name their folder with {option}, or leave them out with --skip-missing"
    )


def with_split(options: Options, split: str) -> Options:
    """The same options for one split."""
    return replace(options, split=split)
