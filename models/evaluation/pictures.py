"""Pictures for a report: small JPEGs inside the page, so that it is one file that asks nobody for anything."""

import base64
import io
from collections.abc import Iterable

from models.decode import decode
from models.evaluation.dataset import Entry

# two beside each other on a phone; some 8 kB each
_SIDE = 240
_QUALITY = 78


def data_uri(data: bytes) -> str:
    """An image file, shrunk, as a `data:` URI.

    Raises:
        ImageUnreadable, ImageTooLarge: it is damaged or too large.
    """
    image = decode(data, min_side=_SIDE)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    # no metadata of the original is carried over
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def pictures_of(entries: Iterable[Entry], wanted: set[str]) -> dict[str, str]:
    """The wanted entries' pictures by id."""
    return {each.id: data_uri(each.read()) for each in entries if each.id in wanted}
