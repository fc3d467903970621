"""Batches by number: which pictures, captions, edits and views step k has follows from the seed and k alone.

So a run that was stopped goes on with the very batches it would have had, and so do any number of workers and of ranks:
rank r of w takes its slice of one joint batch.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.utils.data import DataLoader, Dataset

from models.training.batch import Batch
from models.training.editing import EditMaker, Vocabulary
from models.training.pairs import Pairs
from models.training.tokenizer import token_ids
from models.training.views import View

# the second word of a generator's seed: what it draws for does not depend on what others draw
_ORDER, _EDITS, _VIEWS = range(3)

DrawView = Callable[[str, np.random.Generator], View]


@dataclass(frozen=True)
class Batches:
    """The batches of a run.

    Attributes:
        pairs: what they are of.
        tokenizer: of the text tower.
        size: b, pairs in a joint batch.
        seed: of order, captions, edits and views.
        edits: draws edited captions for each batch.
        view: draws how a picture is looked at beside what is said of it: its chosen caption, or with tags all of its captions,
            a line each.
        tags: words that are looked for in the captions of each picture.

    Raises:
        ValueError: there are fewer than b pairs.
    """

    pairs: Pairs
    tokenizer: Tokenizer
    size: int
    seed: int
    edits: EditMaker | None = None
    view: DrawView | None = None
    tags: Vocabulary | None = None

    def __post_init__(self) -> None:
        if len(self.pairs) < self.size:
            raise ValueError(f"a batch of {self.size} needs as many pairs, and there are {len(self.pairs)}")

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch: every picture comes once in it, but for the last incomplete batch."""
        return len(self.pairs) // self.size

    def rows(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows (b,) of step *step*'s joint batch, distinct and sorted, and the caption (b,) that each is shown with."""
        epoch, place = divmod(step, self.per_epoch)
        order, lots = _order(self.seed, epoch, len(self.pairs))
        # sorted: a memory map is read forwards
        rows = np.sort(order[place * self.size : (place + 1) * self.size])
        counts = np.array([len(self.pairs.captions[row]) for row in rows])
        return rows, (lots[rows] * counts).astype(np.int64)

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """Make the part of step *step*'s joint batch that is rank *rank*'s of *world*; its pixels are bytes.

        Raises:
            ValueError: the joint batch cannot be divided so.
        """
        if self.size % world:
            raise ValueError(f"a batch of {self.size} cannot be divided among {world} ranks: make it a multiple")
        rows, choices = self.rows(step)
        mine = slice(rank * self.size // world, (rank + 1) * self.size // world)
        captions = [self.pairs.caption(int(row), int(choice)) for row, choice in zip(rows, choices, strict=True)]
        texts = [caption.text for caption in captions[mine]]
        edited = None
        if self.edits is not None:
            # for the joint batch, because edits borrow words from one another's captions
            drawn = self.edits.draw_each(captions, np.random.default_rng([self.seed, step, _EDITS]))
            edited = self.edits.lay_out_each(drawn[mine])
        return Batch(
            pixels=torch.from_numpy(self.pairs.pixels(rows[mine], self._views(rows[mine], texts, step, mine.start))),
            ids=token_ids(self.tokenizer, texts),
            edited=edited,
            rows=torch.from_numpy(rows[mine]),
            choices=torch.from_numpy(choices[mine]),
            said=None if self.tags is None else torch.from_numpy(self._said(self.tags, rows[mine])),
        )

    def loader(
        self, first: int, last: int, *, rank: int = 0, world: int = 1, workers: int = 0, pin: bool = False
    ) -> Iterable[Batch]:
        """Batches *first* to *last* (exclusive) in order, the same for any number of *workers* (0 = in this process).

        Args:
            first: step to begin with.
            last: step to stop before.
            rank: of this process.
            world: processes that share the joint batch.
            workers: processes that make batches ahead.
            pin: whether to lay them into pinned memory, for a GPU.
        """
        if workers:
            # the tokenizers' own threads do not survive the fork, and say so on stderr
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        return DataLoader(
            _Numbered(self, rank, world),
            batch_size=None,
            sampler=range(first, last),  # pyright: ignore[reportArgumentType] # a range is a sized iterable
            num_workers=workers,
            pin_memory=pin,
            # its own generator: or a run's random state would depend on how often it was resumed
            generator=torch.Generator(),
        )

    def _said(self, tags: Vocabulary, rows: np.ndarray) -> np.ndarray:
        return np.stack([tags.said(self.pairs.captions[row]) for row in rows])

    def _views(self, rows: np.ndarray, texts: Sequence[str], step: int, first: int) -> list[View] | None:
        if self.view is None:
            return None
        if self.tags is not None:
            # words of every caption are asked of the picture: a view must be true of them all
            texts = ["\n".join(self.pairs.captions[row]) for row in rows]
        # by place in the joint batch: ranks see what one process would
        return [
            self.view(text, np.random.default_rng([self.seed, step, _VIEWS, first + place]))
            for place, text in enumerate(texts)
        ]


@dataclass(frozen=True)
class _Numbered(Dataset[Batch]):
    batches: Batches
    rank: int
    world: int

    def __getitem__(self, step: int) -> Batch:
        return self.batches.batch(step, self.rank, self.world)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one epoch: the rows (count,) in their order, and a lot (count,) in [0, 1) for the caption of each row."""
    rng = np.random.default_rng([seed, epoch, _ORDER])
    return rng.permutation(count), rng.random(count)
