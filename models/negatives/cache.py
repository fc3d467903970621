"""Edits made once and kept: shards of JSON lines, found by the content of the caption and the editor's version.

A shard is `EDITOR-CONTENT.jsonl`: EDITOR is the start of the SHA-256 of the editor's version, CONTENT that of the shard's
own bytes. Each line is one caption: `key` (SHA-256 of the caption and the other captions of its image), and `edits`, each
`null` or `text`, `kind`, `wrong`, `should_be`, and `likely` where it is true. A shard appears whole or not at all; processes that write side by side write
different files, or the same one.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.negatives.edited import Edited
from models.negatives.editor import Caption, Editor
from models.negatives.errors import EditsInvalid
from models.negatives.words import split_words
from models.sealed import write_atomically

_NAME_DIGITS = 16


def caption_key(caption: Caption) -> str:
    """SHA-256, in hex, of what an edit of the caption depends on: its text, and the other captions in any order."""
    said = json.dumps([caption.text, sorted(caption.others)], ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()


class CachedEditor:
    """An editor whose edits are made once.

    Args:
        editor: makes what is missing.
        folder: of the shards; made when the first is written.
        per_caption: how many edits of each caption are made; one of them is drawn each time.
        shard: captions are written as soon as so many are new; `flush` writes the rest.

    Raises:
        EditsInvalid: a shard of this editor in *folder* was altered.
    """

    def __init__(self, editor: Editor, folder: Path, per_caption: int = 4, shard: int = 10_000) -> None:
        if per_caption < 1:
            raise ValueError(f"per_caption is {per_caption}: at least one edit of each caption is kept")
        self._editor = editor
        self._folder = folder
        self._per_caption = per_caption
        self._shard = shard
        self.version = f"cached-{per_caption}-{editor.version}"
        self._prefix = hashlib.sha256(self.version.encode()).hexdigest()[:_NAME_DIGITS]
        # lines stay as bytes until they are drawn: a hundred thousand captions' edits as objects would fill the memory
        self._lines: dict[str, bytes] = {}
        self._new: list[str] = []
        for path in sorted(folder.glob(f"{self._prefix}-*.jsonl")):
            self._lines.update(_read(path))

    def __len__(self) -> int:
        return len(self._lines)

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """Draw one of the stored edits of each caption, after making those that are missing."""
        self._make(captions, rng)
        return [self._draw(caption_key(caption), rng) for caption in captions]

    def fill(self, captions: Sequence[Caption], seed: int, batch: int = 256) -> Iterator[int]:
        """Make what is missing and write it, yielding how many captions are done after each batch.

        Each batch has lots of its own, and is edited whole where some of it is there: what a filling that was stopped writes is,
        once it has gone on, what one that was not stopped writes.
        """
        for start in range(0, len(captions), batch):
            self._make(captions[start : start + batch], np.random.default_rng([seed, start]), whole=True)
            yield min(start + batch, len(captions))
        self.flush()

    def flush(self) -> None:
        """Write what is new as a shard."""
        if not self._new:
            return
        data = b"".join(self._lines[key] + b"\n" for key in sorted(self._new))
        content = hashlib.sha256(data).hexdigest()[:_NAME_DIGITS]
        write_atomically(self._folder / f"{self._prefix}-{content}.jsonl", data)
        self._new.clear()

    def _make(self, captions: Sequence[Caption], rng: np.random.Generator, *, whole: bool = False) -> None:
        """Make the edits that are missing; *whole*: draw for all captions, or those of one would hang on which others are there."""
        keyed = {caption_key(caption): caption for caption in captions}
        missing = [key for key in keyed if key not in self._lines]
        if not missing:
            return
        drawn = list(keyed) if whole else missing
        rounds = [self._editor.edit([keyed[key] for key in drawn], rng) for _ in range(self._per_caption)]
        for number, key in enumerate(drawn):
            if key not in self._lines:
                self._lines[key] = _line(key, [edits[number] for edits in rounds])
                self._new.append(key)
        if len(self._new) >= self._shard:
            self.flush()

    def _draw(self, key: str, rng: np.random.Generator) -> Edited | None:
        stored = [each for each in json.loads(self._lines[key])["edits"] if each is not None]
        return _edited(stored[int(rng.integers(len(stored)))]) if stored else None


def _line(key: str, edits: Sequence[Edited | None]) -> bytes:
    stored = [
        None
        if edit is None
        else {"text": edit.text, "kind": edit.kind, "wrong": edit.wrong, "should_be": edit.should_be}
        | ({"likely": True} if edit.likely else {})
        for edit in edits
    ]
    return json.dumps({"key": key, "edits": stored}, ensure_ascii=False).encode()


def _edited(stored: dict[str, Any]) -> Edited:
    words = split_words(stored["text"])
    if not len(words) == len(stored["wrong"]) == len(stored["should_be"]):
        raise EditsInvalid(
            "stored edits were labelled by another way of splitting words: remove the folder, make them anew"
        )
    labels = tuple(stored["wrong"]), tuple(stored["should_be"])
    return Edited(stored["text"], words, *labels, stored["kind"], stored.get("likely", False))


def _read(path: Path) -> Iterator[tuple[str, bytes]]:
    data = path.read_bytes()
    if not path.stem.endswith(f"-{hashlib.sha256(data).hexdigest()[:_NAME_DIGITS]}"):
        raise EditsInvalid(f"{path} is not what was written (its SHA-256 differs): remove it, its edits are made again")
    for line in data.split(b"\n")[:-1]:
        yield json.loads(line)["key"], line
