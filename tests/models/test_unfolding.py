"""Files that unfold to more than their headers say are refused before they do; ordinary ones are not touched."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.decode import DecodeLimits, decode
from models.errors import ImageTooLarge, InputError
from models.unfolding import MAX_SCANS, scans
from tests.support.bombs import (
    chunks,
    coded,
    comments,
    junk,
    markers,
    plain_comments,
    scanned,
    stripped,
    tiled,
    turned_by,
)
from tests.support.images import encoded, picture

MEBIBYTE = 2**20
LIMITS = DecodeLimits(max_bytes=32 * MEBIBYTE, max_pixels=50_000_000)


@pytest.mark.parametrize(
    ("make", "count"),
    [(markers, 4 * MEBIBYTE), (junk, 8 * MEBIBYTE), (chunks, 2 * MEBIBYTE), (comments, 8 * MEBIBYTE)],
    ids=["markers of a JPEG", "junk in a JPEG", "chunks of a PNG", "comments of a GIF"],
)
def test_a_header_without_end_is_given_up(make: Callable[[int], bytes], count: int) -> None:
    """Millions of empty parts are refused with what to do about it, after a second's work at most; a thousand are read."""
    data = make(count)
    began = time.process_time()

    with pytest.raises(ImageTooLarge, match="save it again"):
        decode(data, LIMITS)

    assert time.process_time() - began < 5
    assert (32, 32) == decode(make(1000), LIMITS).size


def test_scans_are_counted_where_they_are() -> None:
    """A JPEG has as many scans as were written; one within metadata, or after the end of the picture, is none."""
    plain, progressive = (encoded(picture(), "JPEG", progressive=each) for each in (False, True))
    inside = plain[:2] + b"\xff\xe2\x00\x06\xff\xda\xff\xda" + plain[2:]

    assert 1 == len(list(scans(plain))) == len(list(scans(inside))) == len(list(scans(plain + progressive)))
    assert 10 == len(list(scans(progressive)))
    assert 10 + 7 == len(list(scans(_again(progressive, 7))))


def _again(data: bytes, more: int) -> bytes:
    """*data* with its last scan *more* times again."""
    start = data.rindex(b"\xff\xda")
    end = data.index(b"\xff\xd9", start)
    return data[:end] + data[start:end] * more + data[end:]


def test_a_jpeg_of_many_scans_is_refused() -> None:
    """Each scan goes over the whole picture again: a hundred are decoded, one more is not, whatever is in its metadata."""
    own = len(list(scans(scanned(64, 0))))

    assert (64, 64) == decode(scanned(64, MAX_SCANS - own), LIMITS).size
    with pytest.raises(ImageTooLarge, match=f"more than {MAX_SCANS} scans"):
        decode(scanned(64, MAX_SCANS - own + 1), LIMITS)
    # what looks like scans to who does not walk through
    hidden = encoded(picture(), "JPEG")
    assert picture().size == decode(hidden + b"\xff\xda" * 1000, LIMITS).size


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_scans_of_anything_end(data: bytes) -> None:
    """Whatever follows a JPEG's first bytes, its scans are found in order, and within it."""
    found = list(scans(b"\xff\xd8" + data))

    assert sorted(set(found)) == found
    assert all(place <= len(data) + 2 for place in found)


@pytest.mark.parametrize("kind", [3, 4])
def test_a_tiff_in_tiles_larger_than_itself_is_refused(kind: int) -> None:
    """A tile is unpacked whole: one of the usual sizes is, for a picture within it; one far larger is not."""
    assert (64, 64) == decode(tiled(256, kind=kind), LIMITS).size
    with pytest.raises(ImageTooLarge, match="2,000 x 2,000"):
        decode(tiled(2000, kind=kind), LIMITS)


@pytest.mark.parametrize("kind", [9, 11, 16])
def test_tiles_whose_size_only_libtiff_can_read_are_refused(kind: int) -> None:
    """A tile's size in a kind of number that Pillow and libtiff may read differently is no way around the bound."""
    with pytest.raises(InputError):
        decode(tiled(2000, kind=kind), LIMITS)


def test_a_tiff_of_more_strips_than_rows_may_be_is_refused() -> None:
    """Each strip costs a hundred times its place as the file is opened: that is looked at before; strips of a row each are read."""
    with pytest.raises(ImageTooLarge, match="tag 273 has 4,000,000 values"):
        decode(stripped(4_000_000), LIMITS)
    assert (8, 8) == decode(stripped(8), LIMITS).size
    assert (3, 30_000) == decode(encoded(Image.new("L", (3, 30_000)), "TIFF", strip_size=3), LIMITS).size


def test_an_orientation_of_millions_of_numbers_is_none() -> None:
    """It is not read, and the picture is taken as it lies, in no time."""
    data = turned_by(3_000_000)
    began = time.process_time()

    assert (32, 32) == decode(data, LIMITS).size
    assert time.process_time() - began < 1


def test_tiffs_as_pillow_writes_them_are_read() -> None:
    """Strips, tiles of a large picture, BigTIFF: all are read as before."""
    for options in ({}, {"compression": "tiff_lzw"}, {"big_tiff": True}, {"compression": "tiff_deflate"}):
        assert picture().size == decode(encoded(picture(), "TIFF", **options), LIMITS).size


def test_an_avif_is_measured_by_its_frame() -> None:
    """A frame of 2,000 x 2,000 behind a header of 64 x 64 counts as what it is."""
    data = coded(2000)

    assert (64, 64) == decode(data, LIMITS).size
    with pytest.raises(ImageTooLarge, match=r"4,\d{3},\d{3} pixels"):
        decode(data, DecodeLimits(max_pixels=1_000_000))


def test_pixels_as_text_are_few() -> None:
    """A plain PPM is read so long as it is small and has few comments; beyond, another format is asked for."""
    assert (2, 2) == decode(plain_comments(10), LIMITS).size
    for data in (plain_comments(2000), b"P3\n2 2\n9\n" + b"1 " * 12 + b" " * (9 * MEBIBYTE)):
        with pytest.raises(ImageTooLarge, match="PNG"):
            decode(data, LIMITS)
    # as bytes it may be of any size
    assert (1500, 1200) == decode(encoded(Image.new("RGB", (1500, 1200)), "PPM"), LIMITS).size


@pytest.mark.parametrize(
    ("make", "count"),
    [(tiled, 16_000), (stripped, 20_000_000), (coded, 9_000), (markers, 7_000_000), (comments, 15_000_000)],
    ids=["tile of a TIFF", "strips of a TIFF", "frame of an AVIF", "markers of a JPEG", "comments of a GIF"],
)
def test_bombs_take_no_memory(make: Callable[[int], bytes], count: int) -> None:
    """Files that took half a gigabyte and more are refused with 60 MB at most beside themselves."""
    script = """if True:
        import resource, sys
        from models.decode import DecodeLimits, decode
        from models.errors import InputError
        decode(sys.stdin.buffer.read(int(sys.argv[1])))
        data = sys.stdin.buffer.read()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            decode(data, DecodeLimits(max_bytes=32 * 2**20, max_pixels=50_000_000))
        except InputError as error:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
    """
    first, data = encoded(picture()), make(count)
    done = subprocess.run(
        [sys.executable, "-c", script, str(len(first))], input=first + data, capture_output=True, check=True
    )

    assert int(done.stdout.split()[0]) < 60_000 + len(data) // 1024
