"""Pictures inside a report."""

import base64
import io

import pytest
from PIL import Image

from models.errors import ImageUnreadable
from models.evaluation.pictures import pictures_of
from models.page import data_uri
from tests.models.evaluation.made import colours, picture


def _opened(uri: str) -> Image.Image:
    kind, _, data = uri.partition(",")
    assert "data:image/jpeg;base64" == kind
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_picture_becomes_a_small_jpeg() -> None:
    """Large pictures shrink to what a page shows, small ones stay, and the colour is the picture's."""
    large, small = _opened(data_uri(picture((200, 30, 30), 900))), _opened(data_uri(picture((200, 30, 30), 50)))

    assert ((240, 240), (50, 50)) == (large.size, small.size)
    red, green, blue = large.convert("RGB").getpixel((5, 5))  # pyright: ignore[reportGeneralTypeIssues]
    assert abs(red - 200) < 8 and abs(green - 30) < 8 and abs(blue - 30) < 8


def test_metadata_does_not_travel() -> None:
    """Where and by whom a photograph was taken stays out of the report."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    Image.new("RGB", (300, 300)).save(buffer, "JPEG", exif=exif)

    assert b"secret" in buffer.getvalue()
    assert b"secret" not in base64.b64decode(data_uri(buffer.getvalue()).partition(",")[2])


def test_a_damaged_picture_is_an_error() -> None:
    """What does not decode is not embedded."""
    with pytest.raises(ImageUnreadable):
        data_uri(b"no picture")


def test_only_the_wanted_pictures_are_read() -> None:
    """A page shows some pictures of thousands: the others are not opened."""
    assert {"red.png", "blue.png"} == pictures_of(colours().entries, {"red.png", "blue.png", "gone"}).keys()
