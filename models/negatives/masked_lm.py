"""A small masked language model over whole words: the network, its folder on disk, and its guesses.

The folder holds `config.json` (sizes, and size and SHA-256 of the other files), `tokenizer.json` and
`model.safetensors`. It appears whole or not at all, and is checked when it is read.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from models.negatives.errors import MaskedLmInvalid
from models.negatives.masked import Guess, in_batches
from models.negatives.units import MASK, MASK_ID, PAD_ID, UNKNOWN_ID, units
from models.negatives.words import Word
from models.sealed import FileSeal, SealBroken, seal_files, staged, verify

# seals the other two
CONFIG_NAME = "config.json"
_TOKENIZER, _WEIGHTS = "tokenizer.json", "model.safetensors"
FORMAT = 1
# captions guessed in one forward pass: beyond it padding costs more than the pass
_BATCH = 64


class MaskedLmShape(BaseModel):
    """Sizes of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: int = Field(gt=3)
    width: int = Field(default=128, gt=0)
    layers: int = Field(default=3, gt=0)
    heads: int = Field(default=4, gt=0)
    context: int = Field(default=64, gt=2, description="units of a caption; what follows is not seen")


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    shape: MaskedLmShape
    files: dict[str, FileSeal]


class MaskedLm(nn.Module):
    """A bidirectional transformer with the embedding as its output matrix."""

    def __init__(self, shape: MaskedLmShape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width, padding_idx=PAD_ID)
        self.position = nn.Embedding(shape.context, shape.width)
        layer = nn.TransformerEncoderLayer(
            shape.width, shape.heads, 4 * shape.width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, shape.layers, nn.LayerNorm(shape.width), enable_nested_tensor=False)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, ids: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Logits at the masked places.

        Args:
            ids: [b, t] units, 0 after the end; t at most the context.
            masked: [b, t] bool, n of them True.

        Returns:
            [n, vocabulary], rows in the order of `ids[masked]`.
        """
        places = torch.arange(ids.shape[1], device=ids.device)
        hidden = self.embedding(ids) + self.position(places)  # [b, t, width]
        hidden = self.encoder(hidden, src_key_padding_mask=ids == PAD_ID)
        return functional.linear(hidden[masked], self.embedding.weight, self.bias)


class WordModel:
    """A trained network with its words; what `MaskedEditor` asks.

    Attributes:
        version: from the SHA-256 of weights and words.
    """

    def __init__(self, network: MaskedLm, tokenizer: Tokenizer) -> None:
        self.network = network.eval()
        self.tokenizer = tokenizer
        self._ids = tokenizer.get_vocab()
        self._words = [word for word, _ in sorted(self._ids.items(), key=lambda each: each[1])]
        digest = hashlib.sha256(tokenizer.to_str().encode())
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        self.version = f"words-{digest.hexdigest()[:16]}"

    def knows(self, word: str) -> bool:
        """Whether the word is of the vocabulary."""
        return word in self._ids

    def guess(self, texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        """For each (text, word of it) the *top* likeliest words in its place."""
        return in_batches(self._guess, texts, top, _BATCH)

    def _guess(self, texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        rows = [self._row(text, word) for text, word in texts]
        ids = pad([row for row, _, _ in rows])
        masked = torch.zeros_like(ids, dtype=torch.bool)
        masked[torch.arange(len(rows)), torch.tensor([place for _, place, _ in rows])] = True
        with torch.inference_mode():
            logits = self.network(ids, masked).log_softmax(dim=1)  # [b, vocabulary]
            values, best = logits.topk(min(top, logits.shape[1]), dim=1)
        return [
            Guess(
                tuple(self._words[each] for each in best[number].tolist()),
                values[number].numpy().astype(np.float64),
                None if original == UNKNOWN_ID else float(logits[number, original]),
            )
            for number, (_, _, original) in enumerate(rows)
        ]

    def _row(self, text: str, word: Word) -> tuple[list[int], int, int]:
        """Ids with the word masked, its place, and its own id; a long text is cut around the word."""
        all_units = units(text)
        place = next(number for number, unit in enumerate(all_units) if unit.start == word.start)
        ids = [self._ids.get(unit.text.lower(), UNKNOWN_ID) for unit in all_units]
        original, ids[place] = ids[place], MASK_ID
        context = self.network.shape.context
        first = max(0, min(place - context // 2, len(ids) - context))
        return ids[first : first + context], place - first, original


def pad(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Ids as one [b, longest] tensor, 0 after the end."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD_ID] * (longest - len(row))] for row in rows])


def save_masked_lm(model: WordModel, folder: Path) -> None:
    """Write the model as a sealed folder.

    Raises:
        FileExistsError: *folder* exists.
    """
    with staged(folder) as staging:
        (staging / _TOKENIZER).write_text(model.tokenizer.to_str(), encoding="utf-8")
        save_file(model.network.state_dict(), staging / _WEIGHTS)
        config = _Config(format=FORMAT, shape=model.network.shape, files=seal_files(staging))
        (staging / CONFIG_NAME).write_text(config.model_dump_json(indent=2), encoding="utf-8")


def load_masked_lm(folder: Path) -> WordModel:
    """Read a folder that `vilem train-mlm` wrote.

    Raises:
        MaskedLmInvalid: it is none, is of another format, or its files are not what was written.
    """
    config = _read_config(folder)
    try:
        verify(folder, config.files)
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        network = MaskedLm(config.shape)
        network.load_state_dict(load_file(folder / _WEIGHTS))
    except SealBroken as error:
        raise MaskedLmInvalid(str(error)) from error
    except (SafetensorError, RuntimeError, OSError) as error:
        raise MaskedLmInvalid(f"{folder} does not hold the model that its {CONFIG_NAME} describes: {error}") from error
    if tokenizer.get_vocab_size() != config.shape.vocabulary or tokenizer.token_to_id(MASK) != MASK_ID:
        raise MaskedLmInvalid(f"{folder / _TOKENIZER} is not the tokenizer of this model: train it again")
    return WordModel(network, tokenizer)


def _read_config(folder: Path) -> _Config:
    path = folder / CONFIG_NAME
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MaskedLmInvalid(
            f"{folder} is no masked language model of `vilem train-mlm` ({path.name}: {error}): train one"
        ) from error
    written = fields.get("format") if isinstance(fields, dict) else None
    if written != FORMAT:
        raise MaskedLmInvalid(f"{path} has format {written}, this program reads {FORMAT}: train the model again")
    try:
        return _Config.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise MaskedLmInvalid(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}: train it again") from error
