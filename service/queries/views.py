"""Items and hits as the API shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from index.moments import BestMoment
from index.schema import Record
from index.searcher import Hit
from models.matching import Matching
from service.pictures import MAX_SIDE
from service.schemas.hits import HitView, Item, Moment, VideoView


@dataclass(frozen=True)
class Views:
    """How the hits of one search are shown, and which.

    Attributes:
        collection: that is searched.
        matching: says what a hit's score means; None where it means nothing that is known.
        least: probability that a hit must have; None = none.
    """

    collection: str
    matching: Matching | None = None
    least: float | None = None

    @property
    def key(self) -> tuple[float, float] | None:
        """What views depend on beside their hits."""
        return None if self.matching is None else (self.matching.slope, self.matching.intercept)

    def hit(self, hit: Hit) -> HitView:
        """One hit."""
        score, moment = round(hit.score, 6), hit.moment and _moment(self.collection, hit.record, hit.moment)
        chance = None if self.matching is None else round(self.matching.probability(hit.score), 4)
        fields = _fields(self.collection, hit.record)
        return HitView(
            **fields, score=score, probability=chance, duplicates=hit.duplicates, caption=hit.caption, moment=moment
        )

    def kept(self, hits: list[HitView]) -> list[HitView]:
        """Those that are shown, in their order."""
        least = self.least
        return hits if least is None else [hit for hit in hits if (hit.probability or 0.0) >= least]


def item_view(collection: str, record: Record) -> Item:
    """An item as the API shows it."""
    return Item(**_fields(collection, record))


def only(hit: HitView, include: Sequence[str]) -> HitView:
    """A hit with those of its parts that were asked for."""
    left_out = {part: None for part in ("captions", "metadata") if part not in include}
    return hit.model_copy(update=left_out) if left_out else hit


def _address(collection: str, record: Record) -> str:
    # a browser resolves the segments "." and ".." before it asks: an id that has them travels as one segment
    safe = "" if {".", ".."} & set(record.id.split("/")) else "/"
    return f"/v1/collections/{collection}/items/{quote(record.id, safe=safe)}"


def _fields(collection: str, record: Record) -> dict[str, Any]:
    address, video = _address(collection, record), record.video
    # whoever shows pictures shows a still of a video
    image, still = f"{address}/image", f"{address}/thumbnail?size={MAX_SIDE}"
    return {
        "id": record.id,
        "width": record.width,
        "height": record.height,
        "image_url": image if video is None else still,
        "thumbnail_url": f"{address}/thumbnail",
        "captions": list(record.captions),
        "metadata": dict(record.metadata),
        "video": video and VideoView(seconds=round(video.seconds, 3), moments=video.moments, video_url=image),
    }


def _moment(collection: str, record: Record, moment: BestMoment) -> Moment:
    seconds = round(moment.seconds, 3)
    still = f"{_address(collection, record)}/thumbnail?at={seconds:g}"
    return Moment(seconds=seconds, score=round(moment.score, 6), thumbnail_url=still)
