"""Training the small masked language model on captions, and measuring it on captions that it has not seen."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.negatives.errors import CorpusTooSmall
from models.negatives.masked_lm import MaskedLm, MaskedLmShape, WordModel, pad
from models.negatives.units import MASK_ID, SPECIAL, learn_units, units

# captions that stand together are often of one image: held out together, none is half seen
_BLOCK = 20
_LEAST_CAPTIONS = 20
# so many batches' captions are sorted by length before they are cut into batches: less padding, still well mixed
_POOL = 50


@dataclass(frozen=True)
class MlmSettings:
    """A training run.

    Attributes:
        steps, batch: steps, and captions in each.
        width, layers, heads, vocabulary: of the network; heads divide the width.
        learning_rate: highest; it rises for a twentieth of the steps and falls along half a cosine.
        masked: share of the words that is masked, at least one of each caption.
        held_out: share of the captions that is kept for measuring, at most `most_held_out` captions.
        seed: of everything that is drawn.
    """

    steps: int = 2000
    batch: int = 128
    width: int = 128
    layers: int = 3
    heads: int = 4
    vocabulary: int = 12000
    learning_rate: float = 2e-3
    masked: float = 0.15
    held_out: float = 0.02
    most_held_out: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class MlmStep:
    """Progress after one step."""

    number: int
    of: int
    loss: float
    captions_per_s: float
    seconds_left: float


@dataclass(frozen=True)
class MlmReport:
    """How well held-out words are guessed, each masked with the rest of its caption in sight.

    Attributes:
        accuracy, perplexity: of the model.
        unigram_accuracy, unigram_perplexity: of the words' frequencies alone.
        words: how many were masked.
    """

    accuracy: float
    perplexity: float
    unigram_accuracy: float
    unigram_perplexity: float
    words: int


class MlmTraining:
    """A run that is ready to go.

    Args:
        captions: the corpus, in its order.
        settings: the run.

    Raises:
        CorpusTooSmall: fewer than 20 captions, or no word occurs twice.

    Attributes:
        network: in training.
        tokenizer: of the training captions.
    """

    def __init__(self, captions: Sequence[str], settings: MlmSettings) -> None:
        if len(captions) < _LEAST_CAPTIONS:
            raise CorpusTooSmall(f"{len(captions)} captions are too few: give at least {_LEAST_CAPTIONS}")
        self._settings = settings
        self._rng = np.random.default_rng(settings.seed)
        training, self._held_out = _split(captions, settings, self._rng)
        self.tokenizer = learn_units(training, settings.vocabulary)
        torch.manual_seed(settings.seed)
        shape = MaskedLmShape(
            vocabulary=self.tokenizer.get_vocab_size(),
            width=settings.width,
            layers=settings.layers,
            heads=settings.heads,
        )
        self.network = MaskedLm(shape)
        self._rows = [row for row in map(self._encode, training) if _known(row)]
        self._counts = Counter(number for row in self._rows for number in row)

    def run(self) -> Iterator[MlmStep]:
        """Train, yielding after each step."""
        settings = self._settings
        optimizer = torch.optim.AdamW(self.network.parameters(), settings.learning_rate, (0.9, 0.98), weight_decay=0.01)
        batches = self._batches()
        self.network.train()
        # drop-out draws from torch's own generator
        torch.manual_seed(settings.seed)
        began = time.monotonic()
        for number in range(1, settings.steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _rate(number / settings.steps)
            loss = self._loss(next(batches))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            each = (time.monotonic() - began) / number
            yield MlmStep(number, settings.steps, loss.item(), settings.batch / each, each * (settings.steps - number))

    def measure(self) -> MlmReport:
        """Guess words of the held-out captions."""
        self.network.eval()
        rng = np.random.default_rng(self._settings.seed)
        rows = [row for row in map(self._encode, self._held_out) if _known(row)]
        right, loss, targets = 0, 0.0, list[int]()
        with torch.inference_mode():
            for start in range(0, len(rows), self._settings.batch):
                ids, masked, truth = self._mask(rows[start : start + self._settings.batch], rng)
                logits = self.network(ids, masked)
                loss += functional.cross_entropy(logits, truth, reduction="sum").item()
                right += int((logits.argmax(dim=1) == truth).sum())
                targets += truth.tolist()
        accuracy, perplexity = self._unigram(targets)
        words = max(1, len(targets))
        return MlmReport(right / words, math.exp(loss / words), accuracy, perplexity, len(targets))

    def model(self) -> WordModel:
        """The network as it is now, ready to edit with."""
        return WordModel(self.network, self.tokenizer)

    def _encode(self, caption: str) -> list[int]:
        texts = [unit.text.lower() for unit in units(caption)]
        return self.tokenizer.encode(texts, is_pretokenized=True).ids[: self.network.shape.context] if texts else []

    def _batches(self) -> Iterator[list[list[int]]]:
        size = self._settings.batch
        while True:
            order = self._rng.permutation(len(self._rows))
            for start in range(0, len(order), _POOL * size):
                pool = sorted(order[start : start + _POOL * size], key=lambda row: len(self._rows[row]))
                cuts = [pool[cut : cut + size] for cut in range(0, len(pool), size)]
                for number in self._rng.permutation(len(cuts)):
                    yield [self._rows[row] for row in cuts[int(number)]]

    def _loss(self, rows: list[list[int]]) -> torch.Tensor:
        ids, masked, truth = self._mask(rows, self._rng)
        return functional.cross_entropy(self.network(ids, masked), truth)

    def _mask(self, rows: list[list[int]], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Padded ids [b, t] with some known words masked, where [b, t], and what they were [n]."""
        ids = pad(rows)
        known = ids.numpy() >= len(SPECIAL)
        lots = np.where(known, rng.random(known.shape), 2.0)
        # the smallest lot of each caption is always masked
        masked = torch.from_numpy((lots < self._settings.masked) | (known & (lots == lots.min(axis=1, keepdims=True))))
        truth = ids[masked]
        return ids.masked_fill(masked, MASK_ID), masked, truth

    def _unigram(self, targets: Sequence[int]) -> tuple[float, float]:
        size = self.tokenizer.get_vocab_size() - len(SPECIAL)
        total = sum(count for number, count in self._counts.items() if number >= len(SPECIAL))
        commonest = max(range(len(SPECIAL), size + len(SPECIAL)), key=lambda number: self._counts[number])
        logs = [math.log((self._counts[number] + 1) / (total + size)) for number in targets]
        return targets.count(commonest) / max(1, len(targets)), math.exp(-sum(logs) / max(1, len(logs)))


def train_masked_lm(captions: Sequence[str], settings: MlmSettings) -> MlmTraining:
    """Make a run: iterate over `run()` for progress, then ask for `measure()` and `model()`."""
    return MlmTraining(captions, settings)


def _split(captions: Sequence[str], settings: MlmSettings, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    blocks = [captions[start : start + _BLOCK] for start in range(0, len(captions), _BLOCK)]
    wanted = min(settings.most_held_out, settings.held_out * len(captions))
    count = min(len(blocks) - 1, max(1, round(wanted / _BLOCK))) if len(blocks) > 1 else 0
    chosen = {int(block) for block in rng.permutation(len(blocks))[:count]}
    training = [text for number, block in enumerate(blocks) if number not in chosen for text in block]
    held_out = [text for number in sorted(chosen) for text in blocks[number]]
    return training, held_out or training


def _known(row: Sequence[int]) -> bool:
    return any(number >= len(SPECIAL) for number in row)


def _rate(done: float) -> float:
    return min(1.0, done / 0.05) * 0.5 * (1 + math.cos(math.pi * done))
