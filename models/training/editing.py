"""Edited captions as tensors: which token is of which word, which words are wrong, what belongs there."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from tokenizers import Tokenizer

from models.negatives.edited import Edited, unedited
from models.negatives.editor import Caption, Editor
from models.negatives.filters import words_of
from models.negatives.words import split_words, token_words


@dataclass(frozen=True)
class EditedBatch:
    """m edited texts of a batch; t tokens and w words of the longest, n wrong words whose right word is known.

    Attributes:
        ids: [m, t] token ids, 0 after the end.
        word_of: [m, t] each token's word, -1 for none.
        there: [m, w] bool, False for padding and for words that the context cuts off.
        wrong: [m, w] bool.
        places: [n, 2] text and word of each correction.
        words: [n] index of the right word in the vocabulary.
        owner: [m] the pair of the batch, by its place, whose caption each was made from; in order.
        likely: [m] bool: a language model finds them at least as likely as their captions; None where none was asked.
    """

    ids: torch.Tensor
    word_of: torch.Tensor
    there: torch.Tensor
    wrong: torch.Tensor
    places: torch.Tensor
    words: torch.Tensor
    owner: torch.Tensor
    likely: torch.Tensor | None = None

    @property
    def changed(self) -> torch.Tensor:
        """[m] bool: texts with a wrong word."""
        return self.wrong.any(dim=1)

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "EditedBatch":
        """The same texts, every tensor changed: moved to a device, say."""
        return EditedBatch(**{name: change(value) for name, value in vars(self).items() if value is not None})

    def only(self, keep: torch.Tensor) -> "EditedBatch":
        """The texts that *keep* [m] bool says; at least one.

        By it the loop leaves out what the picture does not refute.
        """
        number = keep.cumsum(0) - 1
        inside = keep[self.places[:, 0]]
        places = torch.stack([number[self.places[inside, 0]], self.places[inside, 1]], dim=1)
        rest = (each[keep] for each in (self.ids, self.word_of, self.there, self.wrong))
        likely = None if self.likely is None else self.likely[keep]
        return EditedBatch(*rest, places, self.words[inside], self.owner[keep], likely)


class Vocabulary:
    """The words that correction can answer: the most frequent ones of a corpus, ties in order of the alphabet."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._index = {word: place for place, word in enumerate(self.words)}

    @classmethod
    def of(cls, captions: Iterable[str], size: int) -> "Vocabulary":
        """Count the words of *captions* and keep *size*."""
        counts = Counter(word.text.lower() for caption in captions for word in split_words(caption))
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ordered[:size])

    def __len__(self) -> int:
        return len(self.words)

    def index(self, word: str | None) -> int:
        """Its place, or -1."""
        return -1 if word is None else self._index.get(word, -1)

    def said(self, texts: Sequence[str]) -> np.ndarray:
        """Which of its words *texts* have: (words,) bool."""
        found = np.zeros(len(self), bool)
        found[[place for place in map(self.index, words_of(texts)) if place >= 0]] = True
        return found


class EditMaker:
    """Draws edited texts for each caption of a batch and lays them out.

    Args:
        editor: where edits come from.
        tokenizer: of the text tower.
        vocabulary: what correction can answer.
        unedited_share: texts that stay as they are, so that being in the batch does not give the answer away.
        per_caption: edited texts of each caption.

    Attributes:
        vocabulary: as given.
    """

    def __init__(
        self,
        editor: Editor,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        unedited_share: float,
        per_caption: int = 1,
    ) -> None:
        self._editor = editor
        self._tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._unedited_share = unedited_share
        self._per_caption = per_caption

    def draw(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited]:
        """One text for each caption; as it was where the draw says so, or where no edit is known.

        Nor is one taken that may be as true of the image as the caption: whoever measures has no towers to judge it by.
        """
        drawn = self._draw(captions, rng)
        return [unedited(caption.text) if edit.likely else edit for edit, caption in zip(drawn, captions, strict=True)]

    def _draw(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited]:
        kept = rng.random(len(captions)) < self._unedited_share
        edits = iter(self._editor.edit([each for each, keep in zip(captions, kept, strict=True) if not keep], rng))
        drawn = [None if keep else next(edits) for keep in kept]
        return [edit or unedited(caption.text) for edit, caption in zip(drawn, captions, strict=True)]

    def draw_each(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[list[Edited]]:
        """As many texts for each caption as the maker was told; likely ones are marked, for `training.refuted`."""
        rounds = [self._draw(captions, rng) for _ in range(self._per_caption)]
        return [list(edits) for edits in zip(*rounds, strict=True)]

    def lay_out_each(self, edits: Sequence[Sequence[Edited]]) -> EditedBatch:
        """Several texts for each pair, to tensors."""
        owner = [place for place, several in enumerate(edits) for _ in several]
        return self.lay_out([edit for several in edits for edit in several], owner)

    def lay_out(self, edits: Sequence[Edited], owner: Sequence[int] | None = None) -> EditedBatch:
        """Texts to tensors; without *owner*, text i is of pair i."""
        encodings = self._tokenizer.encode_batch([edit.text for edit in edits])
        ids = _table([encoding.ids for encoding in encodings], 0, torch.long)
        both = zip(edits, encodings, strict=True)
        word_of = _table([token_words(encoding.offsets, edit.words) for edit, encoding in both], -1, torch.long)
        wrong = _table([edit.wrong for edit in edits], 0, torch.bool)
        # a word that the context cuts off has no token
        there = torch.zeros_like(wrong)
        rows, tokens = (word_of >= 0).nonzero(as_tuple=True)
        there[rows, word_of[rows, tokens]] = True
        wrong &= there
        places, targets = self._corrections(edits, there)
        owners = torch.arange(len(edits)) if owner is None else torch.tensor(owner, dtype=torch.long)
        likely = torch.tensor([edit.likely for edit in edits]) if any(edit.likely for edit in edits) else None
        return EditedBatch(ids, word_of, there, wrong, places, targets, owners, likely)

    def _corrections(self, edits: Sequence[Edited], there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = there.numpy()
        found = [
            (row, place, index)
            for row, edit in enumerate(edits)
            for place, word in enumerate(edit.should_be)
            # most words are right, and have none
            if word is not None and (index := self.vocabulary.index(word)) >= 0 and seen[row, place]
        ]
        table = torch.tensor(found, dtype=torch.long).reshape(-1, 3)
        return table[:, :2], table[:, 2]


def _table(rows: Sequence[Sequence[int]], rest: int, dtype: torch.dtype) -> torch.Tensor:
    """Rows of several lengths as a table [rows, at least 1] of the longest's, *rest* after the others' ends."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    table = np.full((len(rows), max(1, lengths.max())), rest)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.fromiter(
        chain.from_iterable(rows), np.int64, lengths.sum()
    )
    return torch.from_numpy(table).to(dtype)
