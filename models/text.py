"""Strings become token ids: the cleaning that open_clip does, then `tokenizer.json` through `tokenizers`."""

import html
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ftfy
import numpy as np
import tokenizers

from models.errors import BundleInvalid, TextInvalid
from models.manifest import TextSpec

CleanMode = Literal["lower", "whitespace", "canonicalize", "none"]

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class TokenBatch:
    """Token ids of N texts, padded to the context length L.

    Attributes:
        ids: (N, L) int64.
        lengths: (N,) int64, real ids in each row, markers included.
        truncated: (N,) bool, True where a text had more than L ids and lost its end.
    """

    ids: np.ndarray
    lengths: np.ndarray
    truncated: np.ndarray


def clean(text: str, mode: CleanMode) -> str:
    """Repair and normalise *text* as the model's training did.

    Args:
        text: anything.
        mode: "none" leaves it as it is. All others mend wrong encodings (ftfy), replace HTML entities (twice:
            captions from the web are often escaped twice) and make every run of whitespace one space;
            "lower" then lowers the case (CLIP), "canonicalize" also removes ASCII punctuation (SigLIP).

    Raises:
        TextInvalid: *text* holds lone surrogates, which no encoding can carry.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextInvalid(
            f"character {error.start} of the text is a lone surrogate (U+{ord(text[error.start]):04X}), "
            "not Unicode text: decode the text with the right encoding"
        ) from error
    if mode == "none":
        return text
    # plain ASCII without an entity has nothing to mend; looking costs as much as tokenising it
    if "&" in text or not (text.isascii() and text.isprintable()):
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    if mode == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION)
    text = " ".join(text.split())
    return text if mode == "whitespace" else text.lower()


@dataclass(frozen=True)
class Reading:
    """One text as the model reads it.

    Attributes:
        text: cleaned.
        ids: (1, L) int64, as in a `TokenBatch`.
        offsets: (T) for each real id that was kept, the characters of *text* that it stands for; (0, 0) for markers.
        cut: the character of *text* from which on it was cut off; None where it was not.
    """

    text: str
    ids: np.ndarray
    offsets: tuple[tuple[int, int], ...]
    cut: int | None


class Tokenizer:
    """A bundle's tokenizer; immutable, safe to share between threads."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, spec: TextSpec) -> None:
        self._tokenizer = tokenizer
        self._spec = spec

    @classmethod
    def from_file(cls, path: Path, spec: TextSpec) -> "Tokenizer":
        """Read a `tokenizer.json`.

        Raises:
            BundleInvalid: *path* is not one.
        """
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            # the Rust side raises bare Exception for every fault of the file
            raise BundleInvalid(f"{path} is not a tokenizer ({error}): export the bundle again") from error
        # cutting and padding are ours: the library's would hide that a text was cut
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, spec)

    def encode(self, texts: Sequence[str]) -> TokenBatch:
        """Tokenise N texts; what exceeds the context is cut and reported, with the end-of-text marker kept last.

        Raises:
            TextInvalid: a text holds lone surrogates.
        """
        cleaned = [clean(text, self._spec.clean) for text in texts]
        return self._laid_out([encoding.ids for encoding in self._tokenizer.encode_batch_fast(cleaned)])

    def _laid_out(self, rows: Sequence[list[int]]) -> TokenBatch:
        """Cut and pad the ids of N texts."""
        length = self._spec.context_length
        ids = np.full((len(rows), length), self._spec.pad_id, np.int64)
        for row, found in enumerate(rows):
            kept = found[:length]
            ids[row, : len(kept)] = kept
            if len(found) > length and self._spec.eot_id is not None:
                ids[row, -1] = self._spec.eot_id
        sizes = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        return TokenBatch(ids, np.minimum(sizes, length), sizes > length)

    def read(self, text: str) -> Reading:
        """Tokenise one text, and keep what each id stands for.

        Raises:
            TextInvalid: the text holds lone surrogates.
        """
        cleaned = clean(text, self._spec.clean)
        encoding = self._tokenizer.encode(cleaned)
        batch, offsets = self._laid_out([encoding.ids]), encoding.offsets
        kept = int(batch.lengths[0])
        if batch.truncated[0] and self._spec.eot_id is not None:
            # the marker took the place of the last id
            offsets.insert(kept - 1, (0, 0))
        lost = [start for start, end in offsets[kept:] if end > start]
        return Reading(cleaned, batch.ids, tuple(offsets[:kept]), min(lost, default=None))
