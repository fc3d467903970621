"""Generations of a collection: the same items, embedded by different models; one of them is served.

    collections/NAME/                        the first generation, "g0", and what all share: lease, turn, uploads
    collections/NAME/generations/g1-3f9a0c21 one more, with the same layout; its name ends in its bundle's digest
    collections/NAME/generation              a line for each that was served, the served one first; no file: "g0"

The file is replaced whole: collection and model change together. `index.reindex` makes generations.
"""

import re
from pathlib import Path

from index.errors import CollectionInvalid
from index.schema import COLLECTION_FILE
from models.sealed import STAGING_PREFIX, remove_abandoned, write_atomically

FIRST = "g0"
FOLDER = "generations"
ALIAS = "generation"

_ID = re.compile(r"g0|g[1-9]\d{0,8}-[0-9a-f]{8}")
_DIGEST_CHARS = 8


def is_id(text: str) -> bool:
    """Whether *text* may name a generation."""
    return _ID.fullmatch(text) is not None


def folder_of(home: Path, generation: str) -> Path:
    """Folder of a generation of the collection in folder *home*."""
    return home if generation == FIRST else home / FOLDER / generation


def generation_of(home: Path, folder: Path) -> str:
    """The generation of the collection in folder *home* that lies in *folder*."""
    return FIRST if folder == home else folder.name


def history(home: Path) -> list[str]:
    """Generations that were served, the served one first, then the one that was served before it, and so on.

    Raises:
        CollectionInvalid: the file that says so is damaged.
    """
    try:
        found = (home / ALIAS).read_text().split()
    except FileNotFoundError:
        return [FIRST]
    except UnicodeDecodeError:
        found = []
    if not found or not all(map(is_id, found)):
        raise CollectionInvalid(
            f"{home / ALIAS} is damaged: write into it the generation to serve, {FIRST} or a folder in {home / FOLDER}"
        )
    return found


def served(home: Path) -> str:
    """The generation that is served; raises as `history`."""
    return history(home)[0]


def mark_of(home: Path) -> object:
    """Equal while the collection in folder *home* is the same one and its generation that is served is; raises as `history`.

    One that was removed and made again under its name differs; one that is not there equals nothing but that.
    """
    generation = served(home)
    try:
        file = (folder_of(home, generation) / COLLECTION_FILE).stat()
    except FileNotFoundError:
        return None
    return generation, file.st_ino, file.st_mtime_ns


def served_folder(home: Path) -> Path:
    """Folder of the generation that is served; raises as `history`."""
    return folder_of(home, served(home))


def serve(home: Path, generation: str) -> None:
    """Serve that generation from now on; the caller holds the collection's turn and the lease on its generations."""
    _write(home, [generation, *(each for each in history(home) if each != generation)])


def forget(home: Path, generations: set[str]) -> None:
    """Take generations that are gone out of the history."""
    known = history(home)
    if not generations.isdisjoint(known):
        _write(home, [each for each in known if each not in generations])


def made(home: Path) -> list[str]:
    """All generations beside the first that are there, oldest first: served, kept, or not finished."""
    found = (file.parent.name for file in (home / FOLDER).glob(f"*/{COLLECTION_FILE}"))
    return sorted(filter(is_id, found), key=_number)


def next_id(home: Path, bundle_digest: str) -> str:
    """A name for a new generation of that bundle; no older one's number is used again while any knows of it."""
    number = max(map(_number, [*made(home), *history(home)])) + 1
    return f"g{number}-{bundle_digest[:_DIGEST_CHARS]}"


def remove_abandoned_files(home: Path) -> None:
    """Remove the files that writers left half written when they were killed, of the collection in folder *home*."""
    for folder in (home, *(home / FOLDER).glob("*")):
        # groups of duplicates lie a folder deeper; uploads are removed with those that no item names
        for pattern in (f"{STAGING_PREFIX}*", f"*/{STAGING_PREFIX}*"):
            remove_abandoned(folder.glob(pattern))


def _number(generation: str) -> int:
    return int(generation[1:].partition("-")[0])


def _write(home: Path, generations: list[str]) -> None:
    write_atomically(home / ALIAS, "".join(f"{each}\n" for each in generations).encode())
