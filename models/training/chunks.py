"""A batch in parts that are encoded one after the other, and what is put back together."""

from collections.abc import Iterator
from dataclasses import fields, replace

import torch

from models.training.batch import Batch
from models.training.editing import EditedBatch


def split(batch: Batch, size: int) -> list[Batch]:
    """Parts of at most *size* pairs, in order, each with the edited texts of its pairs; 0 leaves the batch whole."""
    count = len(batch.ids)
    if not 0 < size < count:
        return [batch]
    return [_part(batch, first, min(first + size, count)) for first in range(0, count, size)]


def _part(batch: Batch, first: int, last: int) -> Batch:
    own = {
        each.name: value[first:last]
        for each in fields(batch)
        if isinstance(value := getattr(batch, each.name), torch.Tensor)
    }
    edited = None if batch.edited is None else _edits_of(batch.edited, first, last)
    return replace(batch, **own, edited=edited)


def _edits_of(edited: EditedBatch, first: int, last: int) -> EditedBatch:
    """The edited texts of pairs *first* to *last*; owners come in order, so that they are neighbours."""
    start, stop = (int((edited.owner < each).sum()) for each in (first, last))
    mine = (edited.places[:, 0] >= start) & (edited.places[:, 0] < stop)
    return replace(
        edited,
        ids=edited.ids[start:stop],
        word_of=edited.word_of[start:stop],
        there=edited.there[start:stop],
        wrong=edited.wrong[start:stop],
        places=edited.places[mine] - torch.tensor([start, 0], device=edited.places.device),
        words=edited.words[mine],
        owner=edited.owner[start:stop] - first,
        likely=None if edited.likely is None else edited.likely[start:stop],
    )


def joined(parts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Vectors of a batch from those of its parts, by name."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def sections(parts: list[dict[str, torch.Tensor]], whole: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """The rows of *whole* that belong to each of *parts*; the inverse of `joined`."""
    columns = {name: whole[name].split([len(part[name]) for part in parts]) for name in whole}
    return ({name: column[place] for name, column in columns.items()} for place in range(len(parts)))
