"""From a filter to the rows that match, by their Lance row ids."""

from functools import reduce

import lance
import numpy as np
import pyarrow.compute as pc

from index.datasets import row_ids
from index.filters.nodes import And, Bound, Leaf, Node, Not, OneOf, Or
from index.filters.predicate import expression, join
from index.filters.steering import part_between, tree_columns


def matching_rows(items: lance.LanceDataset, node: Node) -> np.ndarray:
    """(n,) int64: row ids of the items that match, ascending, each once, at the version that *items* is at.

    *node* comes from `parse_filter` with the fields of that version. Indexes are used where they help, and where they are
    older than the rows the rest is read: the answer is exact.
    """
    return _Search(items).rows(node, negated=False)


class _Search:
    """One evaluation of a filter.

    Questions for elements of lists are scans of their own, in Lance's SQL, because an index answers them there alone; the
    rest of each `and` and `or` is one expression. Row ids of both are put together.
    """

    def __init__(self, items: lance.LanceDataset) -> None:
        self._items = items
        self._trees = tree_columns(items)

    def rows(self, node: Node, *, negated: bool) -> np.ndarray:
        """Ascending row ids of what matches *node*, or of all else."""
        if not _asks_lists(node):
            return self._scan(expression(node, self._part_of, negated=negated))
        match node:
            case Not(part):
                return self.rows(part, negated=not negated)
            case And(parts):
                return self._joined(parts, every=not negated, negated=negated)
            case Or(parts):
                return self._joined(parts, every=negated, negated=negated)
            case leaf:
                return self._scan(_has_any(leaf, negated=negated))

    def _joined(self, parts: tuple[Node, ...], *, every: bool, negated: bool) -> np.ndarray:
        plain = [expression(part, self._part_of, negated=negated) for part in parts if not _asks_lists(part)]
        found = [self.rows(part, negated=negated) for part in parts if _asks_lists(part)]
        if plain:
            found.append(self._scan(join(plain, every=every)))
        if every:
            return reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), found)
        # sorted by hand, for np.union1d hashes, which takes ten times as long
        rows = np.sort(np.concatenate(found))
        return rows[np.diff(rows, prepend=-1) > 0]

    def _scan(self, predicate: pc.Expression | str) -> np.ndarray:
        table = self._items.to_table(columns=[], filter=predicate, with_row_id=True)
        rows = row_ids(table)
        # rows come as they are stored, which is ascending until some were rewritten
        return rows if bool((rows[1:] > rows[:-1]).all()) else np.sort(rows)

    def _part_of(self, column: str, low: Bound | None, high: Bound | None) -> float | None:
        # ids are all different: few are found
        asked = column in self._trees and column != "id"
        return part_between(self._items, column, low, high) if asked else None


def _asks_lists(node: Node) -> bool:
    """Whether an element of a list is asked for anywhere in it."""
    match node:
        case Not(part):
            return _asks_lists(part)
        case And(parts) | Or(parts):
            return any(map(_asks_lists, parts))
        case OneOf(field, values):
            return field.type == "strings" and bool(values)
        case _:
            return False


def _has_any(leaf: Leaf, *, negated: bool) -> str:
    assert isinstance(leaf, OneOf)
    # a column's name has no backtick in it, for it is quoted like a URL; and in Lance's SQL a string ends at a single
    # quote that is not doubled, and nothing else in it has a meaning
    column = f"`{leaf.field.column}`"
    values = ", ".join("'" + str(value).replace("'", "''") + "'" for value in leaf.values)
    found = f"array_has_any({column}, [{values}])"
    return f"(NOT {found}) OR {column} IS NULL" if negated else found
