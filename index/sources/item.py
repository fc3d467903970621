"""What every source yields: items, and what stands in an item's place when it is unusable."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Protocol

from pydantic import JsonValue

from index.schema import Metadata, RejectReason
from models.decode import SUFFIXES
from models.video.names import is_video_name
from models.video.sampling import Sampling

IMAGE_SUFFIXES = SUFFIXES
# one caption under the first name, a list of them under the second; either may hold either
CAPTION_FIELDS = ("caption", "captions")


@dataclass(frozen=True)
class SourceItem:
    """One image or video of a source, not yet read.

    Attributes:
        id: what the source calls it; not yet checked.
        uri: where `read_uri` finds its bytes.
        captions: its texts.
        metadata: everything else the source says of it.
        sha256: of its bytes, hex, where the source is sure of it: a row that has it is right without reading them.
        file: where `read_uri` finds them, if *uri* names no place: see `index.uploads`.
        video: whether it is one, where the source knows; None = what the end of its URI says.
        sampling: which frames of a video are its moments; None = as the job takes videos.
    """

    id: str
    uri: str
    captions: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict[str, JsonValue])
    sha256: str | None = None
    file: str | None = None
    video: bool | None = None
    sampling: Sampling | None = None

    @property
    def is_video(self) -> bool:
        """Whether it is to be read as a video."""
        return is_video_name(self.uri) if self.video is None else self.video


@dataclass(frozen=True)
class Unusable:
    """A place in a source that should be an item and is none; it ends in the rejects table."""

    id: str
    uri: str
    reason: RejectReason
    detail: str


def repeated(item: SourceItem) -> Unusable:
    """What stands in the place of an item whose id an earlier one of the source has."""
    detail = f"an earlier item of the source has the id {item.id!r}: give each its own"
    return Unusable(item.id, item.uri, "duplicate-id", detail)


class Source(Protocol):
    """A corpus: iterating it gives the same items in the same order each time, while its files stay the same."""

    @property
    def uri(self) -> str:
        """Where it is."""
        ...

    @property
    def places(self) -> list[str]:
        """URIs that a fault bears which is no item's own: of a table whose row has no id, of a tar that breaks off."""
        ...

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        """Yield items one by one, in bounded memory.

        Raises:
            SourceError: the source itself cannot be read.
        """
        ...

    def count(self) -> int | None:
        """About how many items it has, for a progress bar; None where that would mean reading all of it."""
        ...


def split_fields(
    fields: Mapping[str, object], *, drop: frozenset[str] = frozenset()
) -> tuple[tuple[str, ...], Metadata]:
    """Captions and metadata of one row or JSON object; the fields named in *drop* are neither.

    Empty captions and repeated ones are left out.

    Raises:
        TypeError: a caption is not a string, or a value has no form in JSON.
    """
    captions: list[str] = []
    metadata: dict[str, JsonValue] = {}
    for name, value in fields.items():
        if name in CAPTION_FIELDS:
            captions.extend(_texts(value))
        elif name not in drop:
            metadata[name] = to_json(value)
    return tuple(dict.fromkeys(captions)), metadata


def _texts(value: object) -> list[str]:
    values: list[object] = value if isinstance(value, list) else [] if value is None else [value]
    for text in values:
        if not isinstance(text, str):
            raise TypeError(f"a caption is {text!r}, not a string")
    return [stripped for text in values if (stripped := str(text).strip())]


def to_json(value: object) -> JsonValue:
    """The JSON form of what CSV, JSON and Parquet hold; dates become ISO 8601, decimals become strings.

    Raises:
        TypeError: it has none (bytes, for one).
    """
    if isinstance(value, float):
        # refused later if it came from JSON; see TableSource for Parquet, where it means "missing"
        return value
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON: leave that column out")


def without_nan(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields with NaN replaced by None: Parquet files written from data frames mark what is missing by NaN."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in fields.items()}
