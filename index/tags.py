"""Lance's tags, which keep a version of a dataset: read and removed while other processes make and remove theirs.

Lance 14.0.2 lists the files of tags and then reads each: one that was removed in between fails the whole list, a fifth of the time where
another process makes and removes tags all the while.
"""

import json
from pathlib import Path

import lance

from index.errors import CollectionInvalid

# each needs a removal within the millisecond that a list takes
_TRIES = 20
_GONE = "Not found"


def tags_of(dataset: lance.LanceDataset) -> dict[str, int]:
    """The versions that are tagged, by tag.

    Raises:
        CollectionInvalid: a tag's file is damaged; names it.
    """
    for left in reversed(range(_TRIES)):
        try:
            return {tag: int(kept["version"]) for tag, kept in dataset.tags.list().items()}
        except (ValueError, OSError) as error:
            if not left or _GONE not in str(error):
                raise
        except RuntimeError as error:
            if damaged := _damaged(Path(dataset.uri)):
                raise CollectionInvalid(
                    f"{damaged} is damaged, which kept an old version from being removed: remove that file, then publish the "
                    "collection (`vilem index publish NAME`), which keeps what is needed now"
                ) from error
            raise
    raise AssertionError("the last try returns or raises")


def _damaged(dataset: Path) -> Path | None:
    """The first file of a tag that says no version."""
    for path in sorted((dataset / "_refs" / "tags").glob("*.json")):
        try:
            json.loads(path.read_bytes())["version"]
        except (ValueError, LookupError, TypeError):
            return path
        except OSError:
            # gone, or unreadable for another reason, which the caller's error tells
            continue
    return None


def untag(dataset: lance.LanceDataset, tag: str) -> None:
    """Remove a tag that another may be removing too."""
    try:
        dataset.tags.delete(tag)
    except (ValueError, OSError) as error:
        if "does not exist" not in str(error) and _GONE not in str(error):
            raise
