"""A data set to evaluate on: pictures, their captions, and the false captions that are known of them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from models.errors import ModelError

Unit = Literal["image", "video"]


class DatasetInvalid(ModelError):
    """A data set to evaluate on is missing or breaks its layout; the message says what is expected where."""


@dataclass(frozen=True)
class Edit:
    """A false text, made from one of its picture's captions.

    Attributes:
        text: the false text.
        caption: which of the picture's captions it was made from.
        kind: what was changed; the macro mean gives every kind the same weight.
        groups: further groups it counts in.
    """

    text: str
    caption: int
    kind: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One picture.

    Attributes:
        id: unique in its data set.
        read: gives the image file's bytes.
        captions: true texts; none for a picture that only makes the pool larger.
        labels: for each caption the groups it counts in; empty for none.
        edits: false texts.
    """

    id: str
    read: Callable[[], bytes] = field(compare=False)
    captions: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...] = ()
    edits: tuple[Edit, ...] = ()

    def identity(self, data: bytes, *, edits: bool) -> bytes:
        """What the data set's digest is made of: the id, the picture's bytes *data*, and the texts that are asked about."""
        false = [(edit.caption, edit.text) for edit in self.edits] if edits else []
        return json.dumps([self.id, hashlib.sha256(data).hexdigest(), self.captions, false]).encode()

    def first_captions(self, limit: int) -> "Entry":
        """The same picture with its first *limit* captions and their edits."""
        edits = tuple(edit for edit in self.edits if edit.caption < limit)
        return replace(self, captions=self.captions[:limit], labels=self.labels[:limit], edits=edits)


@dataclass(frozen=True)
class Dataset:
    """Pictures in order.

    Attributes:
        source: where they come from, for the reader of a report.
        layout: name of the layout they were read in.
        split: which part; empty when there is only one.
        entries: the pictures; ids are unique.
        skipped: how many pictures were left out because their files are missing.
        unit: what its pictures are; of a video, `read` gives the video file's bytes.
    """

    source: str
    layout: str
    split: str
    entries: tuple[Entry, ...]
    skipped: int = 0
    unit: Unit = "image"

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            DatasetInvalid: there is no picture with a caption, or two have one id.
        """
        if not any(each.captions for each in self.entries):
            raise DatasetInvalid(f"{self.source} is empty: no picture with a caption, nothing to evaluate on")
        seen: set[str] = set()
        for each in self.entries:
            if each.id in seen:
                raise DatasetInvalid(f"{self.source} has two pictures {each.id!r}: each must have a name of its own")
            seen.add(each.id)
