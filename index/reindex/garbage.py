"""Removing generations that are not needed, and what killed jobs left of theirs."""

import logging
import shutil
from pathlib import Path

from index import generations
from index.collection import Collection
from index.datasets import CAPTIONS, ITEMS, REJECTS
from index.duplicates.groups import FOLDER as DUPLICATES
from index.errors import CollectionError
from index.generations import FIRST, folder_of, history, is_id, made, served_folder
from index.milvus.engine import ENGINE_FILE, JOURNAL_FILE
from index.milvus.push import discard
from index.moments import MOMENTS
from index.publish import ALIAS, SNAPSHOTS
from index.reindex import in_step
from index.reindex.report import REPORT_FILE
from index.samplings import SAMPLINGS_FILE
from index.text_model import TEXT_MODEL_FILE
from models.sealed import STAGING_PREFIX

_log = logging.getLogger("vilem.index")

# The served one and the one before it.
KEEP = 2

# Of the first generation, whose folder has other things too; the datasets last: while there are items, it is there.
_PARTS = (
    SNAPSHOTS,
    ALIAS,
    TEXT_MODEL_FILE,
    in_step.IN_STEP_FILE,
    REPORT_FILE,
    SAMPLINGS_FILE,
    DUPLICATES,
    REJECTS,
    MOMENTS,
    CAPTIONS,
    ITEMS,
)


def is_there(home: Path, generation: str) -> bool:
    """Whether the collection in folder *home* has that generation."""
    return (home / ITEMS).is_dir() if generation == FIRST else generation in made(home)


def kept(home: Path) -> list[str]:
    """Generations that were served and are there: the served one, then what may be gone back to, latest first."""
    return [each for each in history(home) if is_there(home, each)]


def unfinished(home: Path) -> list[str]:
    """Generations that were begun and never served, oldest first."""
    return [each for each in made(home) if each not in history(home)]


def collect(home: Path, *, keep: int = KEEP, drop_unfinished: bool = False, milvus_token: str = "") -> list[str]:
    """Remove all generations but the last *keep* that were served, and what killed jobs left; the caller holds their lease.

    Args:
        home: folder of the collection.
        keep: how many stay, the served one among them: it stays always.
        drop_unfinished: remove also those that were begun and never served.
        milvus_token: for what was pushed of them, which goes with them; one whose Milvus does not answer stays.

    Returns:
        What was removed.
    """
    unwanted = kept(home)[max(keep, 1) :] + (unfinished(home) if drop_unfinished else [])
    gone = [each for each in unwanted if _discarded(home, each, milvus_token)]
    for each in gone:
        if each != FIRST:
            # killed half way through its removal, it must not look like a generation
            folder = folder_of(home, each)
            folder.rename(folder.with_name(f"{STAGING_PREFIX}{each}"))
    generations.forget(home, set(gone))
    now = served_folder(home)
    if in_step.other_generation(now) in gone:
        in_step.forget(now)
    if FIRST not in history(home):
        _remove_first(home)
    remove_leftovers(home)
    return gone


def _discarded(home: Path, generation: str, token: str) -> bool:
    """Whether nothing of a generation is in a Milvus any more: once its folder is gone, nobody knows of its stores."""
    folder = folder_of(home, generation)
    if not any((folder / name).exists() for name in (ENGINE_FILE, JOURNAL_FILE)):
        return True
    try:
        discard(Collection.open(home.parent, home.name, generation=generation), token=token)
    except CollectionError as error:
        _log.warning(
            "generation %s of %s stays until what was pushed of it can be removed: %s", generation, home.name, error
        )
        return False
    return True


def _remove_first(home: Path) -> None:
    for name in _PARTS:
        part = home / name
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def remove_leftovers(home: Path) -> None:
    """Remove what killed jobs left: generations without their first file or half removed, and files half written."""
    folder = home / generations.FOLDER
    there = set(made(home))
    for left in folder.iterdir() if folder.is_dir() else ():
        if left.is_dir() and left.name not in there and (is_id(left.name) or left.name.startswith(STAGING_PREFIX)):
            shutil.rmtree(left, ignore_errors=True)
    generations.remove_abandoned_files(home)
