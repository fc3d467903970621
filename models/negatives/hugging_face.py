"""Guesses of a Hugging Face masked language model, from a folder or by its name on the hub."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from models.negatives.errors import MaskedLmInvalid
from models.negatives.masked import Guess, in_batches
from models.negatives.words import Word, split_words, token_words
from models.open_clip_import import import_open_clip

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# how the vocabularies of WordPiece, byte-level BPE and SentencePiece write where a word begins or goes on
_GOES_ON = "##"
_BEGINS = ("Ġ", "▁")
# Byte-level BPE writes a text's first word without the mark unless a blank stands before it.
_BLANK = "Ġ"
_BATCH = 32
CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Cut:
    """Ids of a text: before a word, of its pieces, and after it."""

    before: list[int]
    pieces: list[int]
    after: list[int]

    def masked(self, count: int, mask: int, limit: int) -> tuple[list[int], int]:
        """At most *limit* ids with so many masks in the word's place, and where the first of these stands."""
        ids = [*self.before, *[mask] * count, *self.after]
        first = max(0, min(len(self.before) - limit // 2, len(ids) - limit))
        return ids[first : first + limit], len(self.before) - first


class HuggingFaceModel:
    """A masked language model over pieces of words, asked about whole words.

    All pieces of a word are masked by one mask, and what is put there are the pieces that are whole words. How likely a word of
    several pieces was is asked with one mask for each: the product of what the model gives its pieces there.

    Args:
        model: with a masked language modelling head.
        tokenizer: its fast tokenizer.
        device: that guesses; where batches are made by forked processes, the CPU alone will do.

    Raises:
        MaskedLmInvalid: the tokenizer gives no offsets or has no mask.

    Attributes:
        version: from the SHA-256 of weights and words.
    """

    def __init__(self, model: nn.Module, tokenizer: "PreTrainedTokenizerBase", device: torch.device = CPU) -> None:
        if not tokenizer.is_fast or tokenizer.mask_token_id is None:
            raise MaskedLmInvalid(
                f"{type(tokenizer).__name__} is no fast tokenizer with a mask: give a masked language model such as "
                "bert-base-uncased or roberta-base, with its tokenizer.json"
            )
        # told of weights as they came
        self.version = f"hf-2-{_digest(model, tokenizer.get_vocab())}"
        self._model = model.eval().to(device)
        self._device = device
        self._tokenizer = tokenizer
        self._mask = int(str(tokenizer.mask_token_id))
        self._pad = int(str(tokenizer.pad_token_id or 0))
        pieces = tokenizer.get_vocab()
        marked = any(piece.startswith(_BEGINS) for piece in pieces)
        self._whole = {number: word for piece, number in pieces.items() if (word := _whole_word(piece, marked=marked))}
        self._candidates = torch.tensor(sorted(self._whole))
        self._lead = " " if any(piece.startswith(_BLANK) for piece in pieces) else ""
        self._known: dict[str, bool] = {}
        # positions are numbered from 2 in RoBERTa's kind, hence the reserve
        self._limit = int(getattr(getattr(model, "config", None), "max_position_embeddings", 512)) - 2

    def knows(self, word: str) -> bool:
        """Whether the word is made of pieces that the model has."""
        if word not in self._known:
            ids = self._tokenizer(self._lead + word, add_special_tokens=False)["input_ids"]
            self._known[word] = bool(ids) and self._tokenizer.unk_token_id not in ids
        return self._known[word]

    def guess(self, texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        """For each (text, word of it) the *top* likeliest whole words in its place."""
        return in_batches(self._guess, texts, top, _BATCH)

    def _guess(self, texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        cuts = [self._cut(text, word) for text, word in texts]
        log_p = [each[0] for each in self._at_masks([(cut, 1) for cut in cuts])]
        # a word of one piece is among what was answered
        several = [row for row, cut in enumerate(cuts) if len(cut.pieces) > 1]
        originals = [float(each[cut.pieces[0]]) for each, cut in zip(log_p, cuts, strict=True)]
        found = self._at_masks([(cuts[row], len(cuts[row].pieces)) for row in several])
        for row, each in zip(several, found, strict=True):
            originals[row] = float(each.gather(1, torch.tensor(cuts[row].pieces)[:, None]).sum())
        return [self._one(each, original, top) for each, original in zip(log_p, originals, strict=True)]

    def _at_masks(self, cuts: Sequence[tuple[_Cut, int]]) -> list[torch.Tensor]:
        """Of each cut with n masks (n, vocabulary) log-probabilities at these."""
        if not cuts:
            return []
        rows = [cut.masked(count, self._mask, self._limit) for cut, count in cuts]
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.full((len(rows), longest), self._pad)
        there = torch.zeros_like(ids)
        for number, (row, _) in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            there[number, : len(row)] = 1
        with torch.inference_mode():
            on = {"input_ids": ids.to(self._device), "attention_mask": there.to(self._device)}
            logits = self._model(**on).logits  # [b, t, vocabulary]
        counts = [count for _, count in cuts]
        return [
            logits[number, first : first + count].float().log_softmax(dim=1).cpu()
            for number, ((_, first), count) in enumerate(zip(rows, counts, strict=True))
        ]

    def _one(self, log_p: torch.Tensor, original: float, top: int) -> Guess:
        values, best = log_p[self._candidates].topk(min(top, len(self._candidates)))
        numbers = self._candidates[best].tolist()
        likely: dict[str, float] = {}
        for number, value in zip(numbers, values.tolist(), strict=True):
            # "Dog" and "dog" are one word: the likelier comes first
            likely.setdefault(self._whole[number], value)
        return Guess(tuple(likely), np.array(list(likely.values())), original)

    def _cut(self, text: str, word: Word) -> _Cut:
        encoded = self._tokenizer(self._lead + text, return_offsets_mapping=True, truncation=False)
        words, lead = split_words(text), len(self._lead)
        wanted = next(number for number, each in enumerate(words) if each.start == word.start)
        offsets = [(max(0, start - lead), max(0, end - lead)) for start, end in encoded["offset_mapping"]]
        places = [place for place, number in enumerate(token_words(offsets, words)) if number == wanted]
        ids: list[int] = list(encoded["input_ids"])
        end = places[-1] + 1
        return _Cut(ids[: places[0]], ids[places[0] : end], ids[end:])


def load_hugging_face(source: str, device: torch.device = CPU) -> HuggingFaceModel:
    """Load a masked language model.

    Args:
        source: a folder, or a name on the hub such as "distilroberta-base".
        device: see `HuggingFaceModel`.

    Raises:
        MaskedLmInvalid: it cannot be had, or is no masked language model.
    """
    # makes torchvision importable beside a CPU build of torch: transformers imports it with every model
    import_open_clip()
    import transformers

    local = Path(source).expanduser().is_dir()
    name = str(Path(source).expanduser()) if local else source
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=local)
        model = transformers.AutoModelForMaskedLM.from_pretrained(name, local_files_only=local)
    except Exception as error:
        # transformers, its hub client and their network raise exceptions without a base in common
        raise MaskedLmInvalid(
            f"the masked language model {source!r} cannot be had ({_first_line(error)}): check the name and the network, "
            "or fetch its folder (config.json, tokenizer.json, model.safetensors) elsewhere and give that, or train "
            "one on your captions by `vilem train-mlm`"
        ) from error
    return HuggingFaceModel(model, tokenizer, device)


def _whole_word(piece: str, *, marked: bool) -> str | None:
    """The word, in lower case, that a piece is by itself; None for parts of words, signs and special pieces."""
    if marked:
        if not piece.startswith(_BEGINS):
            return None
        piece = piece[1:]
    elif piece.startswith(_GOES_ON):
        return None
    return piece.lower() if piece.isalnum() and (len(piece) > 1 or piece.isdigit()) else None


def _digest(model: nn.Module, pieces: dict[str, int]) -> str:
    digest = hashlib.sha256(repr(sorted(pieces.items())).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
