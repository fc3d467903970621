"""What clients send in fields, as bytes and vectors."""

import base64
import binascii
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import numpy as np

from models.errors import InputError
from service.errors import QueryInvalid, UrlRefused, UrlUnreachable

_MIN_NORM = 1e-6


def decode_base64(text: str, field: str) -> bytes:
    """The bytes of a base64 string, with or without a `data:` prefix.

    Raises:
        QueryInvalid: it is not base64; names *field*.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise QueryInvalid(
            field, f"not base64 ({error}): send the image file's bytes in base64, not an address"
        ) from error


def checked_vector(values: Sequence[float], dim: int, field: str) -> np.ndarray:
    """A client's vector as (d,) float32 of unit norm.

    Raises:
        QueryInvalid: it is no such vector; names *field*.
    """
    if len(values) != dim:
        raise QueryInvalid(field, f"the vector has {len(values)} numbers, this collection's have {dim}")
    vector = np.asarray(values, np.float64)
    # scaled first, so that squares of great numbers do not overflow
    vector = vector / max(float(np.abs(vector).max()), _MIN_NORM)
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < _MIN_NORM:
        raise QueryInvalid(field, "the vector's length is zero or too large: send an embedding")
    return (vector / norm).astype(np.float32)


@contextmanager
def told_by(field: str) -> Generator[None]:
    """Have what is wrong with an input told by the request's field that holds it."""
    try:
        yield
    except (InputError, UrlRefused, UrlUnreachable) as error:
        error.field = field
        raise
