"""What a proofreader keeps of an image, so that no picture is decoded again: patches in int8, and the embedding.

The bytes, little-endian: version, P, c, d (uint16 each); P scales (float16); P x c patches (int8); d values of the
embedding (float16). A patch is its int8 values times its scale.
"""

import struct
from dataclasses import dataclass

import numpy as np

from models.errors import BundleInvalid, StoredImageInvalid

VERSION = 1
# bytes of one stored image that an index, and the service's memory, reckon with; no larger one is exported
MAX_STORED = 10_000
_HEAD = struct.Struct("<4H")
_LEVELS = 127
# the greatest value that a scale in half precision can bring back
_GREATEST = _LEVELS * float(np.finfo(np.float16).max)


def stored_size(patches: int, channels: int, dim: int) -> int:
    """Bytes of one stored image of P *patches*, c *channels* and an embedding of *dim* values."""
    return _HEAD.size + 2 * patches + patches * channels + 2 * dim


@dataclass(frozen=True, eq=False)
class StoredImage:
    """One image, as the proofreader reads it.

    Attributes:
        patches: (P, c) int8, of all levels.
        scales: (P,) float16, one for each patch.
        embedding: (d,) float32, unit norm. Its bytes, and so what is read of it, are float16.
    """

    patches: np.ndarray
    scales: np.ndarray
    embedding: np.ndarray

    @classmethod
    def of(cls, patches: np.ndarray, embedding: np.ndarray) -> "StoredImage":
        """Round patches (P, c) float32, each to 255 steps of its own greatest value; *embedding* is (d,) float32.

        Raises:
            BundleInvalid: a value is not finite, or beyond what half precision can scale.
        """
        greatest = np.abs(patches).max(axis=1, initial=0.0)
        # not `>`: a NaN must not pass
        if not (greatest <= _GREATEST).all() or not np.isfinite(embedding).all():
            raise BundleInvalid(
                "the proofreader's image graph gives values that are not finite: train or export it again"
            )
        scales = (greatest / _LEVELS).astype(np.float16)
        # by the rounded scale, the one that is stored; where that is 0 the patch is as good as 0
        steps = np.divide(
            patches, scales[:, None].astype(np.float32), where=scales[:, None] > 0, out=np.zeros_like(patches)
        )
        rounded = np.clip(np.rint(steps), -_LEVELS, _LEVELS).astype(np.int8)
        return cls(rounded, scales, np.ascontiguousarray(embedding, np.float32))

    @property
    def shape(self) -> tuple[int, int, int]:
        """P, c and d."""
        return (*self.patches.shape, len(self.embedding))

    def floats(self) -> np.ndarray:
        """The patches (P, c) float32."""
        return self.patches * self.scales[:, None].astype(np.float32)

    def to_bytes(self) -> bytes:
        """The form in which collections keep it, `stored_size` bytes."""
        parts = (self.scales.astype("<f2"), self.patches, self.embedding.astype("<f2"))
        return _HEAD.pack(VERSION, *self.shape) + b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "StoredImage":
        """Read what `to_bytes` wrote; the embedding comes back in the precision of float16.

        Raises:
            StoredImageInvalid: the bytes are cut, damaged, or of a newer version.
        """
        if len(data) < _HEAD.size:
            raise StoredImageInvalid(f"{len(data)} bytes are no stored image: embed the image again")
        version, patches, channels, dim = _HEAD.unpack_from(data)
        if version != VERSION:
            raise StoredImageInvalid(
                f"the stored image has version {version}, this ViLEM reads {VERSION}: upgrade ViLEM, or embed the image again"
            )
        wanted = stored_size(patches, channels, dim)
        if len(data) != wanted:
            raise StoredImageInvalid(
                f"the stored image has {len(data)} bytes instead of {wanted}: embed the image again"
            )
        scales = np.frombuffer(data, "<f2", patches, _HEAD.size).astype(np.float16)
        start = _HEAD.size + 2 * patches
        values = np.frombuffer(data, np.int8, patches * channels, start).reshape(patches, channels)
        embedding = np.frombuffer(data, "<f2", dim, start + patches * channels).astype(np.float32)
        if not np.isfinite(scales).all() or not np.isfinite(embedding).all():
            raise StoredImageInvalid("the stored image holds values that are not finite: embed the image again")
        return cls(values, scales, embedding)
