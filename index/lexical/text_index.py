"""Full-text indexes over string columns of a collection's datasets: making them, keeping them up to date.

Rows written after an index was made are found without being in it, because Lance reads their texts during each search.
That costs about 10 to 20 microseconds a text, and until they are taken in, rows of the index are scored by its own number of texts
and mean length, not by those of all. So what was written is taken in soon: `TextIndex.behind` says when. Rows that were deleted
are not found; they count in those two numbers until their segment is merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import lance
import pyarrow as pa

from index.errors import TextColumnInvalid
from index.lexical.words import Language, TextAnalysis

# A segment is merged with newer ones once they hold a quarter of what it does: a text is rewritten a few times in the life of
# a collection, and a search looks into few segments (Bentley & Saxe 1980, "Decomposable searching problems").
_GROWTH = 4
_MAX_UNINDEXED, _MAX_SHARE = 1_000, 0.1


@dataclass(frozen=True)
class TextIndex:
    """A full-text index as it is.

    Attributes:
        column: that it is over.
        analysis: how it cuts texts.
        segments: texts in each of its parts, oldest first.
        unindexed_rows: rows written since.
    """

    column: str
    analysis: TextAnalysis
    segments: tuple[int, ...]
    unindexed_rows: int

    @property
    def behind(self) -> bool:
        """Whether so much was written since that searches are slow (about 10 ms) or scores of old and new texts differ."""
        return self.unindexed_rows > min(_MAX_UNINDEXED, _MAX_SHARE * sum(self.segments))


def has_text_index(dataset: lance.LanceDataset, column: str) -> bool:
    """Whether *column* can be searched by words."""
    return any(index.name == _name(column) for index in dataset.describe_indices())


def text_index(dataset: lance.LanceDataset, column: str) -> TextIndex | None:
    """The full-text index over *column*, if there is one."""
    there = next((index for index in dataset.describe_indices() if index.name == _name(column)), None)
    if there is None:
        return None
    language = cast(Language, there.details["language"]) if there.details["stem"] else None
    found = dataset.stats.index_stats(there.name)
    # a segment that was made over nothing does not tell
    segments = tuple(int(part.get("num_docs", 0)) for part in found["indices"])
    return TextIndex(column, TextAnalysis(language), segments, int(found["num_unindexed_rows"]))


def ensure_text_index(dataset: lance.LanceDataset, column: str, analysis: TextAnalysis | None = None) -> bool:
    """Make a full-text index over a column of strings, unless it is there. An empty dataset gets one too.

    There is one however few rows there are: without, Lance cuts texts in another way, in which case matters.

    Args:
        dataset: at its latest version; it moves on to the one with the index.
        column: of strings.
        analysis: how texts are cut; an index that cuts them otherwise is made anew. None keeps what is there, and is
            English where nothing is.

    Returns:
        Whether it was made.

    Raises:
        TextColumnInvalid: there is no such column, or it holds no strings.
    """
    _check_column(dataset.schema, column)
    there = text_index(dataset, column)
    if there is not None and analysis in (None, there.analysis):
        return False
    parameters = (analysis or TextAnalysis()).parameters()
    # positions let phrases be found, for four tenths more bytes
    dataset.create_scalar_index(column, "INVERTED", name=_name(column), with_position=True, **parameters)
    return True


def update_text_index(dataset: lance.LanceDataset, column: str, *, rewritten: bool) -> None:
    """Take the rows written since into the index over *column*; without an index, or such rows, nothing is done.

    Args:
        dataset: at its latest version; it moves on.
        column: with an index.
        rewritten: whether rows of this dataset are ever changed in place. If so, all is merged into one segment: under
            stable row ids Lance 14 would find a changed row by its old text again, as soon as its new one stood in
            another segment. Captions never change, they are added and deleted: theirs grow by small segments.
    """
    index = text_index(dataset, column)
    if index is None or not index.unindexed_rows:
        return
    merged = len(index.segments) if rewritten else _to_merge(index.segments, index.unindexed_rows)
    dataset.optimize.optimize_indices(index_names=[_name(column)], num_indices_to_merge=merged)


def _to_merge(segments: Sequence[int], fresh: int) -> int:
    """How many of the newest segments are merged with that many fresh texts."""
    count, texts = 0, fresh
    for segment in reversed(segments):
        if segment > _GROWTH * texts:
            break
        count, texts = count + 1, texts + segment
    return count


def _name(column: str) -> str:
    return f"{column}_words"


def _check_column(schema: pa.Schema, column: str) -> None:
    strings = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    if column not in strings:
        raise TextColumnInvalid(
            f"{column!r} is no column of texts: choose among {', '.join(strings) or 'none, there are no such columns'}"
        )
