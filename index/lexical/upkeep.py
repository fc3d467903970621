"""Keeping a collection searchable by words while it is written to."""

from collections.abc import Callable, Sequence

import lance
from lance.commit import CommitConflictError

from index.collection import Collection
from index.disk import full_disk_named
from index.errors import LeaseHeld
from index.lexical.text_index import ensure_text_index, has_text_index, text_index, update_text_index
from index.lexical.words import TextAnalysis

_TEXT = "text"
# Of two that index the same column at once one comes through, so others have to try again as often as there are of them.
_TRIES = 10
_NOTHING_LOST = "what was committed is safe, and searches by words read what is not yet in their index"


def index_texts(collection: Collection, *, columns: Sequence[str] = (), analysis: TextAnalysis | None = None) -> None:
    """Make the full-text index over the captions, and those over columns of the items, and take in what was written since.

    Writers need not wait; several may do this at once. *collection* stays at its version.

    Args:
        collection: whose texts.
        columns: of strings, to be searched beside the captions. Those that have an index keep it, named or not.
        analysis: how texts are cut; None keeps what is there, and is English where nothing is.

    Raises:
        TextColumnInvalid: one of *columns* is no column of strings.
        LeaseHeld: others moved rows, or were at the same index, again and again.
        StorageFull: no space; the indexes are as they were.
    """
    items = collection.latest().items
    known = [field.name for field in items.schema if has_text_index(items, field.name)]
    with full_disk_named(collection.path, lambda: _NOTHING_LOST):
        _patiently(collection, lambda now: _bring_up(now.captions, _TEXT, analysis, rewritten=False))
        for column in dict.fromkeys([*known, *columns]):
            _patiently(collection, lambda now, of=column: _bring_up(now.items, of, analysis, rewritten=True))


def texts_behind(collection: Collection) -> bool:
    """Whether `index_texts` should be run: captions cannot be searched, or so many are new that searches suffer."""
    index = text_index(collection.captions, _TEXT)
    return index is None or index.behind


def _bring_up(dataset: lance.LanceDataset, column: str, analysis: TextAnalysis | None, *, rewritten: bool) -> None:
    if not ensure_text_index(dataset, column, analysis):
        update_text_index(dataset, column, rewritten=rewritten)


def _patiently(collection: Collection, work: Callable[[Collection], None]) -> None:
    for _ in range(_TRIES):
        try:
            return work(collection.latest())
        except (CommitConflictError, OSError) as error:
            if "commit conflict" not in str(error):
                raise
            # rows were moved to other fragments meanwhile, or another process was at the same index: what it left is looked at
    raise LeaseHeld(
        f"the texts of collection {collection.info.name!r} are being indexed or moved by others, each time before this could "
        f"finish: run `vilem index publish {collection.info.name}` later; searches read what is not yet in the index"
    )
