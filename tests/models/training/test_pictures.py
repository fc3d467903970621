"""Pictures on disk as pairs: what is damaged is known before training, and cached or not they are the same."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.bundle import Bundle
from models.decode import decode
from models.evaluation.dataset import DatasetInvalid, Entry
from models.image import prepare
from models.manifest import Preprocess
from models.training import pictures
from models.training.pairs import Pairs
from models.training.pictures import PicturesDamaged, open_pictures
from models.training.views import View

SPEC = Preprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
ALL = np.arange(3)


def make_entries(folder: Path, count: int = 3, *, damaged: tuple[int, ...] = ()) -> list[Entry]:
    """PNG files of noise, 40 x 30; damaged ones hold half of their bytes."""
    rng = np.random.default_rng(0)
    found: list[Entry] = []
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(buffer, "PNG")
        data = buffer.getvalue()
        path = folder / f"{number}.png"
        path.write_bytes(data[: len(data) // 2] if number in damaged else data)
        found.append(Entry(path.name, path.read_bytes, (f"caption {number}", "other")))
    return found


def opened(entries: list[Entry], work: Path, *, cache: bool) -> Pairs:
    """The pairs of some entries."""
    return open_pictures(entries, SPEC, work, cache=cache)


@pytest.mark.parametrize("cache", [False, True])
def test_pixels_are_what_serving_would_see(tmp_path: Path, cache: bool) -> None:
    """Without a view a picture is decoded and resized as the bundle will do it."""
    entries = make_entries(tmp_path)

    found = opened(entries, tmp_path / "work", cache=cache)

    for row, entry in enumerate(entries):
        np.testing.assert_array_equal(prepare(decode(entry.read()), SPEC), found.pixels(ALL)[row])
    assert [entry.captions for entry in entries] == list(found.captions)
    assert ("other", ("caption 1",)) == (found.caption(1, 1).text, found.caption(1, 1).others)


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("times", [1.5, 2, 3, 4, 5, 9, 17])
def test_large_photographs_are_what_serving_would_see(
    tmp_path: Path, tiny_bundle: Path, times: float, cache: bool
) -> None:
    """A JPEG of whatever size, which is decoded at a fraction of it, has the pixels that the bundle's own runtime gives it."""
    bundle = Bundle.open(tiny_bundle)
    side = int(times * bundle.manifest.preprocess.size)
    noise = np.random.default_rng(0).integers(0, 256, (side, side + 3, 3), np.uint8)
    (tmp_path / "a.jpg").write_bytes(jpeg := _jpeg(noise))
    entry = Entry("a.jpg", (tmp_path / "a.jpg").read_bytes, ("caption",))

    found = open_pictures([entry], bundle.manifest.preprocess, tmp_path / "work", cache=cache)

    np.testing.assert_array_equal(bundle.prepare(jpeg), found.pixels(np.arange(1))[0])


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("cache", [False, True])
def test_views_are_applied(tmp_path: Path, cache: bool) -> None:
    """A mirrored view of a whole picture is the picture mirrored; a crop is another picture of the same side."""
    found = opened(make_entries(tmp_path), tmp_path / "work", cache=cache)
    plain = found.pixels(ALL)

    seen = found.pixels(ALL, [View(mirrored=True), View(), View(box=(0.0, 0.0, 0.9, 0.9))])

    np.testing.assert_array_equal(plain[0, :, ::-1], seen[0])
    np.testing.assert_array_equal(plain[1], seen[1])
    assert plain.shape == seen.shape
    assert not np.array_equal(plain[2], seen[2])


@pytest.mark.parametrize("cache", [False, True])
def test_damaged_pictures_are_left_out_and_named(tmp_path: Path, cache: bool) -> None:
    """They are counted and up to five are named; the others keep their captions, this time and the next."""
    entries = make_entries(tmp_path, 9, damaged=(0, 2, 3, 5, 6, 7))

    for _ in range(2):
        with pytest.warns(
            PicturesDamaged, match=r"6 of 9 pictures .* left out: 0\.png .*6\.png .*; and 1 more"
        ) as told:
            found = opened(entries, tmp_path / "work", cache=cache)

        assert 1 == len(told)
        assert "7.png" not in str(told[0].message)
        assert ["caption 1", "caption 4", "caption 8"] == [texts[0] for texts in found.captions]
        assert (3, 16, 16, 3) == found.pixels(ALL).shape


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    """A data set of which no picture can be read is refused with the first faults."""
    with pytest.raises(DatasetInvalid, match=r"none of 2 pictures can be read: 0\.png \("):
        opened(make_entries(tmp_path, 2, damaged=(0, 1)), tmp_path / "work", cache=False)


@pytest.mark.parametrize("cache", [False, True])
def test_the_second_time_nothing_is_checked(tmp_path: Path, cache: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found out is kept; other captions or another size are another data set."""
    entries = make_entries(tmp_path)
    first = opened(entries, tmp_path / "work", cache=cache).pixels(ALL)
    monkeypatch.setattr(pictures, "_decoded", None)

    again = opened(entries, tmp_path / "work", cache=cache)

    np.testing.assert_array_equal(first, again.pixels(ALL))
    with pytest.raises(TypeError):
        opened(entries[:2], tmp_path / "work", cache=cache)


def test_a_cache_that_was_cut_off_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When decoding breaks off nothing stays, and the next time begins anew."""
    entries = make_entries(tmp_path)

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(pictures, "_write", full)
        with pytest.raises(OSError, match="no space"):
            opened(entries, tmp_path / "work", cache=True)

    assert [] == list((tmp_path / "work").iterdir())
    assert 3 == len(opened(entries, tmp_path / "work", cache=True))


def test_many_pictures_are_shared_among_processes(tmp_path: Path) -> None:
    """Beyond a few dozen, other processes read; the order and the faults are the same."""
    entries = make_entries(tmp_path, 36, damaged=(34,))

    with pytest.warns(PicturesDamaged, match="1 of 36"):
        found = opened(entries, tmp_path / "work", cache=True)

    assert 35 == len(found)
    np.testing.assert_array_equal(prepare(decode(entries[35].read()), SPEC), found.pixels(np.array([34]))[0])


def test_a_picture_that_is_damaged_later_does_not_end_the_run(tmp_path: Path) -> None:
    """A file that goes away after the check is grey from then on, with a warning that names it."""
    found = opened(make_entries(tmp_path), tmp_path / "work", cache=False)
    (tmp_path / "1.png").unlink()

    with pytest.warns(PicturesDamaged, match=r"1\.png was readable before"):
        seen = found.pixels(ALL, [View(box=(0.0, 0.0, 0.9, 0.9))] * 3)

    assert (128 == seen[1]).all()
    assert not (128 == seen[0]).all()


def test_pictures_without_captions_are_left_out_and_told(tmp_path: Path) -> None:
    """A picture that only makes a pool larger cannot be trained on; nor one whose captions are all empty."""
    entries = make_entries(tmp_path)
    silent = Entry("silent", partial(bytes), ())

    with pytest.warns(PicturesDamaged, match="1 of 4 pictures have no caption and are left out: silent$"):
        assert 3 == len(opened([silent, *entries], tmp_path / "work", cache=False))


def test_crops_are_the_same_with_and_without_a_cache(tmp_path: Path) -> None:
    """A crop of a wide picture shows the same part either way: of what the bundle will see, not of what it cuts off."""
    slope = np.linspace(0, 255, 160, dtype=np.uint8)[None, :, None].repeat(40, axis=0).repeat(3, axis=2)
    buffer = io.BytesIO()
    Image.fromarray(slope).save(buffer, "PNG")
    entries = [Entry("wide", buffer.getvalue, ("x",))]
    view = View(box=(0.1, 0.0, 1.0, 0.9))

    plain, kept = (
        opened(entries, tmp_path / "work", cache=cache).pixels(ALL[:1], [view])[0] for cache in (False, True)
    )

    assert np.abs(plain.astype(int) - kept).max() <= 4
