"""Lance's tags, which keep a version of a dataset: read and removed while other processes make and remove theirs.

Lance 14.0.2 lists the files of tags and then reads each: one that was removed in between fails the whole list, a fifth of the time where
another process makes and removes tags all the while.
"""

import lance

# each needs a removal within the millisecond that a list takes
_TRIES = 20
_GONE = "Not found"


def tags_of(dataset: lance.LanceDataset) -> dict[str, int]:
    """The versions that are tagged, by tag."""
    for left in reversed(range(_TRIES)):
        try:
            return {tag: int(kept["version"]) for tag, kept in dataset.tags.list().items()}
        except (ValueError, OSError) as error:
            if not left or _GONE not in str(error):
                raise
    raise AssertionError("the last try returns or raises")


def untag(dataset: lance.LanceDataset, tag: str) -> None:
    """Remove a tag that another may be removing too."""
    try:
        dataset.tags.delete(tag)
    except (ValueError, OSError) as error:
        if "does not exist" not in str(error) and _GONE not in str(error):
            raise
