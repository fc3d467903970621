"""One source item becomes pixels to embed, or the reason why not; called from many threads."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from index.errors import ItemInvalid, UriMissing, UriUnreadable, VideoSupportMissing
from index.moments import moments_key
from index.samplings import sampling_of
from index.schema import (
    MAX_ID_BYTES,
    Record,
    Reject,
    RejectReason,
    Video,
    canonical_json,
    check_captions,
    check_id,
    encoded,
    metadata_to_json,
)
from index.sources.item import SourceItem
from index.sources.uri import open_uri, read_uri
from index.videos import VideoOptions, moments_in, sha256_of
from models.bundle import Bundle
from models.decode import DecodeLimits
from models.errors import ImageTooLarge, InputError
from models.video.errors import VideoTooLarge, VideoUnreadable
from models.video.limits import check_bytes

if TYPE_CHECKING:
    from models.video.moments import Moments

# of a reject's detail and URI: enough to find the fault
_MAX_DETAIL = 1_000
_DEFAULT_VIDEOS = VideoOptions()


@dataclass(frozen=True)
class Ready:
    """An item to write.

    Attributes:
        record: its row.
        pixels: (S, S, 3) uint8 for the image tower; None where the stored vector is still right.
        frames: of a video, in place of pixels.
    """

    record: Record
    pixels: np.ndarray | None
    frames: "Moments | None" = None


@dataclass(frozen=True)
class Unchanged:
    """An item that is stored as the source has it."""

    id: str


Outcome = Ready | Unchanged | Reject


def prepare_item(
    item: SourceItem,
    stored: Record | None,
    bundle: Bundle,
    limits: DecodeLimits,
    *,
    videos: VideoOptions = _DEFAULT_VIDEOS,
) -> Outcome:
    """Read, check and scale one item.

    Its bytes are read and hashed, unless the source knows the hash: only the same bytes make the same image. Decoding is
    spared where *stored*, the row of that id, has that hash.
    """
    try:
        check_item(item)
        if item.is_video:
            return _video(item, stored, bundle, videos)
        if stored is not None and stored.sha256 == item.sha256:
            return _kept(item, stored)
        data = read_uri(item.file or item.uri, max_bytes=limits.max_bytes)
        sha256 = hashlib.sha256(data).hexdigest()
        if stored is not None and stored.sha256 == sha256:
            return _kept(item, stored)
        made = bundle.prepare_sized(data, limits)
    except ItemInvalid as error:
        return reject(item.id, item.uri, error.reason, str(error))
    except UriMissing as error:
        return reject(item.id, item.uri, "missing-file", str(error))
    except UriUnreadable as error:
        return reject(item.id, item.uri, "unreadable-file", str(error))
    except VideoSupportMissing as error:
        return reject(item.id, item.uri, "no-video-support", str(error))
    except VideoUnreadable as error:
        return reject(item.id, item.uri, "not-a-video", str(error))
    except (ImageTooLarge, VideoTooLarge) as error:
        return reject(item.id, item.uri, "too-large", str(error))
    except InputError as error:
        return reject(item.id, item.uri, "not-an-image", str(error))
    record = Record(item.id, item.uri, sha256, made.width, made.height, item.captions, item.metadata)
    return Ready(record, made.pixels)


def _video(item: SourceItem, stored: Record | None, bundle: Bundle, options: VideoOptions) -> Outcome:
    """As `prepare_item`, of a video; its moments are kept while they would be made of the same bytes at the same times.

    Raises:
        UriUnreadable, VideoSupportMissing, VideoTooLarge, VideoUnreadable: why not.
    """
    as_stored = None if stored is None else sampling_of(stored, options.keep)
    options = replace(options, sampling=item.sampling or as_stored or options.sampling)
    if stored is not None and item.sha256 is not None and _has_moments(stored, item.sha256, options):
        return _kept(item, stored)
    with open_uri(item.file or item.uri, max_bytes=options.limits.max_bytes) as file:
        check_bytes(file, options.limits)
        sha256 = sha256_of(file)
        if stored is not None and _has_moments(stored, sha256, options):
            return _kept(item, stored)
        moments = moments_in(file, bundle.manifest.preprocess, options)
    key = moments_key(sha256, options.sampling)
    video = Video(moments.lasts, len(moments.seconds), key)
    record = Record(item.id, item.uri, sha256, *moments.size, item.captions, item.metadata, video)
    return Ready(record, None, moments)


def _has_moments(stored: Record, sha256: str, options: VideoOptions) -> bool:
    return stored.video is not None and stored.video.key == moments_key(sha256, options.sampling)


def _kept(item: SourceItem, stored: Record) -> Outcome:
    """What becomes of an item whose image is stored."""
    record = replace(stored, uri=item.uri, captions=item.captions, metadata=item.metadata)
    return Unchanged(item.id) if same_row(record, stored) else Ready(record, None)


def check_item(item: SourceItem) -> None:
    """Apply the schema's rules.

    Raises:
        ItemInvalid: with the reason.
    """
    check_id(item.id)
    encoded(item.uri, "bad-row", "path")
    check_captions(item.captions)
    metadata_to_json(item.metadata)


def same_row(one: Record, other: Record) -> bool:
    """Whether two records are stored alike; `==` would take 1, 1.0 and true for the same."""
    same = replace(one, metadata={}) == replace(other, metadata={})
    return same and canonical_json(one.metadata) == canonical_json(other.metadata)


def reject(item_id: str, uri: str, reason: RejectReason, detail: str) -> Reject:
    """A row of the rejects table, of now; what cannot be stored of its texts is written with escapes."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Reject(_storable(item_id, MAX_ID_BYTES), reject_uri(uri), reason, _storable(detail, _MAX_DETAIL), now)


def reject_uri(uri: str) -> str:
    """A URI as the rejects table has it."""
    return _storable(uri, _MAX_DETAIL)


def _storable(text: str, length: int) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:length]
