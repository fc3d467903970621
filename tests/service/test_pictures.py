"""Media types and thumbnails."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.decode import DecodeLimits
from models.errors import ImageTooLarge, ImageUnreadable
from service.pictures import media_type, thumbnail
from tests.support.images import VARIETIES, encoded, picture, turned, variety

MEDIA = {
    "JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif", "GIF": "image/gif",
    "TIFF": "image/tiff", "BMP": "image/bmp",
}  # fmt: skip


@pytest.mark.parametrize("number", range(len(VARIETIES)))
def test_the_media_type_is_the_contents(number: int) -> None:
    """Each format that browsers show has its own type, told by the bytes; others are octets, which nothing runs."""
    assert MEDIA.get(VARIETIES[number][0], "application/octet-stream") == media_type(variety(number))


@given(data=st.binary(max_size=64))
def test_no_bytes_are_taken_for_a_page(data: bytes) -> None:
    """Whatever the bytes, the type is an image's or octets: never HTML, SVG or a script."""
    assert media_type(data) in {*MEDIA.values(), "application/octet-stream"}


@pytest.mark.parametrize("markup", [b"<svg onload=alert(1)>", b"<!DOCTYPE html><script>", b"<?xml version='1.0'?>"])
def test_markup_is_octets(markup: bytes) -> None:
    """A file of markup that lies among the pictures is served as octets."""
    assert "application/octet-stream" == media_type(markup)


@pytest.mark.parametrize(("width", "height"), [(400, 100), (100, 400), (300, 300), (20, 10)])
def test_a_thumbnail_keeps_the_shape(width: int, height: int) -> None:
    """The longer side is at most what was asked for, the sides keep their ratio, and nothing is enlarged."""
    small = Image.open(io.BytesIO(thumbnail(encoded(picture(width, height)), 64, DecodeLimits())))

    assert "JPEG" == small.format
    assert min(64, max(width, height)) == max(small.size)
    assert abs(small.width / small.height - width / height) <= 0.15 * width / height


@pytest.mark.parametrize("number", range(len(VARIETIES)))
def test_every_kind_of_picture_has_a_thumbnail(number: int) -> None:
    """Palette, alpha, CMYK, 16 bits: all become an RGB JPEG that looks like the picture."""
    small = Image.open(io.BytesIO(thumbnail(variety(number), 32, DecodeLimits())))

    assert ("RGB", "JPEG") == (small.mode, small.format)


def test_a_thumbnail_stands_upright() -> None:
    """A picture that EXIF turns is turned in its thumbnail, which itself has no orientation."""
    small = Image.open(io.BytesIO(thumbnail(turned("JPEG", 6), 64, DecodeLimits())))

    assert small.height > small.width
    assert not small.getexif()


def test_a_thumbnail_has_the_decoders_limits() -> None:
    """What the decoder refuses has no thumbnail."""
    with pytest.raises(ImageTooLarge):
        thumbnail(encoded(picture(64, 64)), 32, DecodeLimits(max_pixels=100))
    with pytest.raises(ImageUnreadable):
        thumbnail(b"<svg/>", 32, DecodeLimits())
