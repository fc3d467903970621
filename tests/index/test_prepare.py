"""index.prepare: one item becomes pixels, or the reason why not."""

import dataclasses
import hashlib
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from pydantic import JsonValue

from index.prepare import Ready, Unchanged, prepare_item, reject, same_row
from index.schema import Record, Reject, RejectReason
from index.sources.item import SourceItem
from models.decode import DecodeLimits
from tests.index.support import counting, picture


def _item(path: Path, data: bytes | None, **fields: object) -> SourceItem:
    if data is not None:
        path.write_bytes(data)
    return dataclasses.replace(SourceItem("a", path.as_uri(), ("red",), {"price": 3}), **fields)


def _header_only_png(width: int, height: int) -> bytes:
    """A small PNG that says it is huge."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_new_image_becomes_a_row_and_pixels(tmp_path: Path, tiny_bundle: Path) -> None:
    """The record holds the hash and size of the file and what the source said; pixels fit the model."""
    bundle = counting(tiny_bundle)
    item = _item(tmp_path / "a.png", picture(1, size=(50, 40)))
    outcome = prepare_item(item, None, bundle, DecodeLimits())
    assert isinstance(outcome, Ready) and outcome.pixels is not None
    sha256 = hashlib.sha256(picture(1, size=(50, 40))).hexdigest()
    assert Record("a", item.uri, sha256, 50, 40, ("red",), {"price": 3}) == outcome.record
    assert (32, 32, 3) == outcome.pixels.shape


@pytest.mark.parametrize(
    ("change", "rewritten"),
    [({}, False), ({"captions": ("blue",)}, True), ({"metadata": {"price": 3.0}}, True), ({"metadata": {}}, True)],
)
def test_the_same_bytes_are_not_decoded(
    tmp_path: Path, tiny_bundle: Path, change: dict[str, object], rewritten: bool
) -> None:
    """A stored hash spares decoding; the row is written anew only when something beside the image changed."""
    bundle = counting(tiny_bundle)
    item = _item(tmp_path / "a.png", picture(1))
    first = prepare_item(item, None, bundle, DecodeLimits())
    assert isinstance(first, Ready)
    changed = dataclasses.replace(item, **change)  # pyright: ignore[reportArgumentType]
    again = prepare_item(changed, first.record, bundle, DecodeLimits())
    assert 1 == bundle.prepared
    if rewritten:
        assert Ready(dataclasses.replace(first.record, **change), None) == again  # pyright: ignore[reportArgumentType]
    else:
        assert Unchanged("a") == again


def test_a_moved_file_is_written_anew_without_decoding(tmp_path: Path, tiny_bundle: Path) -> None:
    """The row follows the file to its new place."""
    bundle = counting(tiny_bundle)
    first = prepare_item(_item(tmp_path / "a.png", picture(1)), None, bundle, DecodeLimits())
    assert isinstance(first, Ready)
    again = prepare_item(_item(tmp_path / "b.png", picture(1)), first.record, bundle, DecodeLimits())
    assert isinstance(again, Ready) and again.pixels is None
    assert again.record.uri.endswith("b.png")


def test_other_bytes_are_another_image(tmp_path: Path, tiny_bundle: Path) -> None:
    """The same id and path with other bytes is decoded again."""
    bundle = counting(tiny_bundle)
    first = prepare_item(_item(tmp_path / "a.png", picture(1)), None, bundle, DecodeLimits())
    assert isinstance(first, Ready)
    again = prepare_item(_item(tmp_path / "a.png", picture(2)), first.record, bundle, DecodeLimits())
    assert isinstance(again, Ready) and again.pixels is not None
    assert again.record.sha256 != first.record.sha256


@pytest.mark.parametrize(
    ("data", "fields", "reason"),
    [
        (picture(1, "JPEG")[:400], {}, "not-an-image"),
        (b"", {}, "not-an-image"),
        (b"<html>", {}, "not-an-image"),
        (_header_only_png(13_000, 13_000), {}, "too-large"),
        (b"\xff\xd8\xff" + b"x" * 2_000, {}, "too-large"),
        (None, {}, "missing-file"),
        (picture(1), {"id": ""}, "bad-id"),
        (picture(1), {"id": "a/image"}, "bad-id"),
        (picture(1), {"captions": ("\ud800",)}, "bad-caption"),
        (picture(1), {"metadata": {"a": float("nan")}}, "bad-metadata"),
        (picture(1), {"uri": "file:///\ud800"}, "bad-row"),
    ],
)
def test_what_cannot_be_stored_is_a_reject(
    tmp_path: Path, tiny_bundle: Path, data: bytes | None, fields: dict[str, object], reason: str
) -> None:
    """Each fault of an item has its reason and a sentence; none raises."""
    outcome = prepare_item(
        _item(tmp_path / "a.png", data, **fields), None, counting(tiny_bundle), DecodeLimits(max_bytes=1_000)
    )
    assert isinstance(outcome, Reject)
    assert reason == outcome.reason
    assert len(outcome.detail) > 20


def test_a_folder_in_the_place_of_a_file_is_unreadable(tmp_path: Path, tiny_bundle: Path) -> None:
    """What is there and cannot be read is told from what is missing."""
    outcome = prepare_item(_item(tmp_path, None), None, counting(tiny_bundle), DecodeLimits())
    assert isinstance(outcome, Reject) and "unreadable-file" == outcome.reason


def test_a_huge_file_is_not_read_whole(tmp_path: Path, tiny_bundle: Path) -> None:
    """A file of 10 GB is refused after max_bytes and one."""
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    outcome = prepare_item(_item(path, None), None, counting(tiny_bundle), DecodeLimits(max_bytes=1_000))
    assert isinstance(outcome, Reject) and "too-large" == outcome.reason


@pytest.mark.parametrize("reason", ["bad-id", "too-large"])
def test_a_reject_can_always_be_stored(reason: RejectReason) -> None:
    """Whatever is wrong with an id, its reject is storable text of bounded length, and tells the time in UTC."""
    row = reject("\ud800" + "x" * 10_000, "\udfff" * 5_000, reason, "y" * 10_000)
    for text in (row.id, row.uri, row.detail):
        assert text == text.encode().decode()
        assert len(text) <= 1_000
    assert row.rejected_at.endswith("+00:00")


def test_equal_numbers_of_other_types_are_a_change() -> None:
    """1, 1.0 and true are three values in JSON."""
    rows = [Record("a", "u", "s", 1, 1, (), {"x": value}) for value in (1, 1.0, True)]
    assert [[True, False, False], [False, True, False], [False, False, True]] == [
        [same_row(one, other) for other in rows] for one in rows
    ]


@pytest.mark.parametrize(("orientation", "size"), [(1, (30, 20)), (3, (30, 20)), (6, (20, 30)), (8, (20, 30))])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_the_size_is_that_of_the_upright_image(
    tmp_path: Path, tiny_bundle: Path, kind: str, orientation: int, size: tuple[int, int]
) -> None:
    """A photograph taken sideways has the width that a viewer sees."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, kind, exif=exif)
    ready = prepare_item(_item(tmp_path / "a", file.getvalue()), None, counting(tiny_bundle), DecodeLimits())
    assert isinstance(ready, Ready)
    assert size == (ready.record.width, ready.record.height)


def test_the_size_of_a_large_jpeg_is_its_own(tmp_path: Path, tiny_bundle: Path) -> None:
    """A JPEG that is decoded at a fraction of its size is recorded in full."""
    file = io.BytesIO()
    Image.new("RGB", (1_600, 1_200), "red").save(file, "JPEG")
    ready = prepare_item(_item(tmp_path / "a", file.getvalue()), None, counting(tiny_bundle), DecodeLimits())
    assert isinstance(ready, Ready)
    assert (1_600, 1_200) == (ready.record.width, ready.record.height)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"garbage!garbage!", b"MM*\0 not a directory at all", b"II*\0\xff\xff\xff\xff"])
def test_damaged_exif_is_no_fault_of_the_picture(tmp_path: Path, tiny_bundle: Path, kind: str, exif: bytes) -> None:
    """A picture whose EXIF cannot be read is a row, shown as it lies."""
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, kind, exif=b"Exif\0\0" + exif)
    outcome = prepare_item(_item(tmp_path / "a", file.getvalue()), None, counting(tiny_bundle), DecodeLimits())
    assert isinstance(outcome, Ready), outcome
    assert (30, 20) == (outcome.record.width, outcome.record.height)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///a%00b.png", "unreadable-file"),
        ("foo://nobody/a.png", "unreadable-file"),
        ("file://[bad/a.png", "unreadable-file"),
        ("zip://a::file:///missing.zip", "missing-file"),
        ("http://localhost:1/a.png", "unreadable-file"),
        ("s3://nobody/a.png", "unreadable-file"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_reject(tiny_bundle: Path, uri: str, reason: str) -> None:
    """Whatever a table names, and whatever the client of that scheme raises, the job goes on."""
    outcome = prepare_item(SourceItem("a", uri), None, counting(tiny_bundle), DecodeLimits())
    assert isinstance(outcome, Reject)
    assert reason == outcome.reason


def test_metadata_stored_under_older_rules_can_be_mended(tmp_path: Path, tiny_bundle: Path) -> None:
    """A row whose stored metadata are deeper than is allowed today is written anew by an item that keeps the rules."""
    bundle = counting(tiny_bundle)
    item = _item(tmp_path / "a.png", picture(1))
    first = prepare_item(item, None, bundle, DecodeLimits())
    assert isinstance(first, Ready)
    deep: JsonValue = 1
    for _ in range(100):
        deep = [deep]
    stored = dataclasses.replace(first.record, metadata={"x": deep})
    assert Ready(first.record, None) == prepare_item(item, stored, bundle, DecodeLimits())
