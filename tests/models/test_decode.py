"""Decoding of untrusted bytes: formats, modes, limits, damage."""

import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from models import decode as module
from models.decode import FORMATS, DecodeLimits, decode, decode_sized
from models.errors import ImageTooLarge, ImageUnreadable, InputError
from tests.support.images import VARIETIES, animated, bomb, damaged, encoded, in_mode, picture, turned, variety

EVERY = pytest.mark.parametrize("number", range(len(VARIETIES)), ids=[f"{each[0]}-{each[1]}" for each in VARIETIES])
# pytest resets the filter that models.decode sets for the process; the last test here sees the real thing
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin", "ignore::UserWarning:PIL.Image")
GREY_MODES = ("L", "LA", "I;16", "F")


def _levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@EVERY
def test_every_format_and_mode_becomes_rgb(number: int) -> None:
    """Each format and mode gives an RGB picture of the same size and, as far as the mode allows, the same colours."""
    _, mode, _ = VARIETIES[number]
    expected = in_mode(picture(), "L" if mode in GREY_MODES else mode).convert("RGB")

    image = decode(variety(number))

    assert "RGB" == image.mode
    assert expected.size == image.size
    # lossy formats, and the palette that GIF and P choose
    assert np.abs(_levels(expected) - _levels(image)).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "RGB"])
def test_conversion_is_pillows(mode: str) -> None:
    """What Pillow's convert("RGB") makes of a mode, open_clip embeds; the same comes out here. Alpha is dropped."""
    image = picture().convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))

    assert np.array_equal(_levels(image.convert("RGB")), _levels(decode(encoded(image))))


def test_palette_with_transparency_keeps_its_colours() -> None:
    """Transparent entries of a palette show their own colour, and no warning is printed about them."""
    image = picture().quantize(16)
    data = encoded(image, transparency=bytes(range(0, 256, 16)))

    assert np.array_equal(_levels(image.convert("RGB")), _levels(decode(data)))


@given(level=st.integers(0, 65_535))
@settings(max_examples=40, deadline=None)
def test_sixteen_bits_are_scaled(level: int) -> None:
    """A level of 65,535 becomes the nearest of 255; Pillow's own convert would clip it to white."""
    data = encoded(Image.fromarray(np.full((3, 4), level, np.uint16)))

    assert round(level / 257) == decode(data).getpixel((0, 0))[0]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),  # parts of one
        ([0.0, 100.0, 255.0], [0, 100, 255]),  # 8 bits written as floats
        ([0.0, 257.0, 65_535.0], [0, 1, 255]),  # 16 bits
        ([-1.0, 0.0, 1.0], [0, 128, 255]),  # anything else is stretched
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
        ([7e9, 7e9, 7e9], [0, 0, 0]),
    ],
)
def test_floats_find_their_range(stored: list[float], expected: list[int]) -> None:
    """Numbers without a declared range are read as parts of 1, of 255 or of 65,535, or stretched; none is undefined."""
    image = decode(encoded(Image.fromarray(np.array([stored], np.float32)), "TIFF"))

    assert expected == _levels(image)[0, :, 0].tolist()


@pytest.mark.parametrize("kind", [np.int32, np.uint16])
def test_integer_tiff(kind: type) -> None:
    """Whole numbers up to 65,535 keep their order and proportion, whatever their width in the file."""
    stored = np.array([[0, 30_000, 65_535]], kind)

    assert [0, 117, 255] == _levels(decode(encoded(Image.fromarray(stored), "TIFF")))[0, :, 0].tolist()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture(format_name: str, orientation: int) -> None:
    """Each of EXIF's eight orientations comes out upright, once, in every format that carries it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = picture()
    source.info["exif"] = exif.tobytes()
    expected = ImageOps.exif_transpose(source)

    image = decode(turned(format_name, orientation))

    assert expected.size == image.size
    assert np.abs(_levels(expected) - _levels(image)).max() <= (12 if format_name == "JPEG" else 0)


def test_unreadable_exif_is_no_reason_to_refuse() -> None:
    """A picture whose EXIF block is garbage is shown as it lies."""
    data = encoded(picture(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff garbage")

    assert picture().size == decode(data).size


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_animation_gives_its_first_frame(format_name: str) -> None:
    """Of several frames or pages the first is taken."""
    data, first = animated(format_name)

    assert np.abs(_levels(first) - _levels(decode(data))).max() <= 3


@pytest.mark.parametrize("format_name", ["EPS", "PDF", "ICO", "TGA", "PCX", "SGI", "IM", "JPEG2000", "MSP"])
def test_other_formats_are_refused(format_name: str) -> None:
    """Formats that start programs, open other files or need not check their size are no images here."""
    data = encoded(picture().convert("1" if format_name == "MSP" else "RGB"), format_name)

    with pytest.raises(ImageUnreadable, match="known format"):
        decode(data)


@pytest.mark.parametrize("data", [b"", b"\x00", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"not an image", b"P6 0 0 255 "])
def test_scraps_are_refused(data: bytes) -> None:
    """Nothing, text and bare signatures are unreadable, not a crash."""
    with pytest.raises(ImageUnreadable):
        decode(data)


@EVERY
def test_half_a_file_is_refused(number: int) -> None:
    """A file cut in the middle is never taken for a picture with a grey lower half."""
    data = variety(number)

    with pytest.raises(ImageUnreadable, match="truncated or damaged"):
        decode(data[: len(data) // 2])


@EVERY
def test_damage_is_an_input_error(number: int) -> None:
    """Changed, missing and cut bytes end in a picture or in an InputError: nothing else escapes from any reader."""
    for data in damaged(variety(number), 150, seed=number):
        try:
            image = decode(data, DecodeLimits(max_pixels=10**7))
        except InputError:
            continue
        assert "RGB" == image.mode


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from([variety(number)[:16] for number in range(len(VARIETIES))]), rest=st.binary(max_size=400))
def test_garbage_behind_a_signature(name: bytes, rest: bytes) -> None:
    """Random bytes behind the head of any format end in a picture or in an InputError."""
    try:
        decode(name + rest, DecodeLimits(max_pixels=10**6))
    except InputError as error:
        assert str(error)


def test_bomb_is_refused_from_its_header() -> None:
    """A PNG of 500 KB with 13,000 x 13,000 pixels is refused with its size named, without memory for its pixels."""
    data = bomb()
    assert len(data) < 600_000
    script = """if True:
        import resource, sys
        from models.decode import decode
        from models.errors import ImageTooLarge
        data = sys.stdin.buffer.read()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            decode(data)
        except ImageTooLarge as error:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
    """

    done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    kilobytes, message = done.stdout.decode().split(" ", 1)

    assert "13,000 x 13,000" in message
    assert int(kilobytes) < 10_000


@pytest.mark.parametrize("format_name", FORMATS)
def test_pixels_are_limited_in_every_format(format_name: str) -> None:
    """width x height is checked whatever the format, and a picture exactly at the limit passes."""
    data = encoded(Image.new("RGB", (40, 30)), format_name)

    assert (40, 30) == decode(data, DecodeLimits(max_pixels=1200)).size
    with pytest.raises(ImageTooLarge, match="40 x 30"):
        decode(data, DecodeLimits(max_pixels=1199))
    with pytest.raises(ImageTooLarge, match="40 x 30"):
        decode(data, DecodeLimits(max_side=39))


def test_bytes_are_limited() -> None:
    """A file over the byte limit is refused unread, at the limit it is read."""
    data = encoded(picture())

    assert picture().size == decode(data, DecodeLimits(max_bytes=len(data))).size
    with pytest.raises(ImageTooLarge, match=f"{len(data):,} bytes"):
        decode(data, DecodeLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "BMP", "PPM"])
def test_the_limit_is_ours_and_not_pillows(format_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's limit, one for the whole process, decides nothing."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    assert picture().size == decode(encoded(picture(), format_name)).size


def test_pillows_limit_inside_a_reader_is_ours_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader checks Pillow's limit itself (WebP, tiled TIFF), the caller still gets ImageTooLarge."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    with pytest.raises(ImageTooLarge, match="shrink it"):
        decode(encoded(picture(), "WEBP"))


@settings(max_examples=40, deadline=None)
@given(width=st.integers(30, 900), height=st.integers(30, 900), least=st.integers(16, 300))
def test_draft_keeps_what_is_needed(width: int, height: int, least: int) -> None:
    """With min_side a JPEG shrinks by 1, 2, 4 or 8, and its shorter side keeps min_side pixels or was smaller."""
    image = decode(encoded(Image.new("RGB", (width, height)), "JPEG"), min_side=least)

    assert image.width in {-(-width // scale) for scale in (1, 2, 4, 8)}
    assert min(image.size) >= min(least, width, height)


def test_draft_leaves_no_pixel_unused() -> None:
    """A JPEG is shrunk as far as it may: 1600 x 1200 to 400 x 300 when 300 are needed, and not further."""
    data = encoded(picture(1600, 1200), "JPEG")

    assert (400, 300) == decode(data, min_side=300).size
    assert (800, 600) == decode(data, min_side=301).size
    assert (1600, 1200) == decode(data).size


def test_draft_changes_little() -> None:
    """The shrunk JPEG shows the same picture: resized further, it differs by a few levels at most."""
    data = encoded(picture(1600, 1200), "JPEG", quality=95)
    small = [image.resize((100, 75), Image.Resampling.BICUBIC) for image in (decode(data), decode(data, min_side=200))]

    assert np.abs(_levels(small[0]) - _levels(small[1])).max() <= 3


@pytest.mark.parametrize("number", [0, 2, 4, 9])
def test_draft_in_other_modes(number: int) -> None:
    """min_side changes nothing for formats that cannot draft, and CMYK JPEGs survive it."""
    image = picture(320, 240)

    small = decode(variety(number, image), min_side=120)

    assert ((160, 120) if VARIETIES[number][0] == "JPEG" else (320, 240)) == small.size


def test_threads_do_not_disturb_each_other() -> None:
    """Many threads that decode good and bad files at once get what one thread gets."""
    files = [variety(number) for number in range(len(VARIETIES))] * 4

    def outcome(data: bytes) -> bytes | str:
        try:
            return decode(data).tobytes()
        except InputError as error:
            return str(error)

    files += [data[: len(data) // 2] for data in files]
    alone = [outcome(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert alone == list(pool.map(outcome, files))


def test_pillows_warnings_are_not_printed() -> None:
    """A file cannot write into our log: what Pillow warns about (odd metadata, many pixels) stays silent."""
    script = """if True:
        import io, warnings
        from PIL import Image
        from models.decode import decode
        data = io.BytesIO()
        Image.new("P", (9, 9)).save(data, "PNG", transparency=bytes(200))
        decode(data.getvalue())
        data = io.BytesIO()
        Image.new("RGB", (9, 9)).save(data, "JPEG", exif=b"Exif\\x00\\x00II*\\x00\\x08\\x00\\x00\\x00\\xff\\x00")
        decode(data.getvalue())
        decode(b"P4 9500 9500\\n" + bytes(1188 * 9500))
    """

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "" == done.stderr


@pytest.mark.parametrize("kind", [np.float32, np.int32, np.uint16, ">u2"])
@pytest.mark.parametrize("pixels", [1, 48, 500])
def test_strips_leave_no_seam(kind: str | type[np.generic], pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture scaled some rows at a time is the picture scaled whole: its range is that of all rows."""
    levels = np.random.default_rng(0).integers(0, 60_000, (31, 48)).astype(kind)
    data = encoded(Image.fromarray(levels), "TIFF")
    whole = decode(data)
    monkeypatch.setattr(module, "_STRIP_PIXELS", pixels)

    assert np.array_equal(_levels(whole), _levels(decode(data)))
    assert np.abs(_levels(whole)[:, :, 0] - levels.astype(float) / 257).max() <= 0.5


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_of_four_bytes_cost_little_memory(kind: type[np.generic]) -> None:
    """A small file of millions of numbers takes few bytes a pixel: it is scaled some rows at a time."""
    side = 2_500
    data = encoded(Image.fromarray(np.full((side, side), 7, kind)), "TIFF", compression="tiff_adobe_deflate")
    assert len(data) < 200_000
    tracemalloc.start()
    try:
        assert (side, side) == decode(data).size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # numpy's part: Pillow holds 4 + 1 + 3 bytes a pixel beside it
    assert peak < 4 * side * side


@pytest.mark.parametrize(("orientation", "size"), [(1, (1_600, 1_200)), (6, (1_200, 1_600))])
def test_the_full_size_is_told(orientation: int, size: tuple[int, int]) -> None:
    """A JPEG decoded at a fraction says how large it is in full, upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation

    found = decode_sized(encoded(Image.new("RGB", (1_600, 1_200)), "JPEG", exif=exif), min_side=100)

    assert size == found.size
    assert max(found.image.size) < 1_600
