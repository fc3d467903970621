"""Clips as pairs."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.evaluation.dataset import DatasetInvalid, Entry
from models.image import prepare
from models.manifest import Preprocess
from models.scenes.clips import FRAMES, clip_example
from models.training.batches import Batches
from models.training.clips import ClipArrays, ClipFiles, any_moment, load_clips
from models.training.pairs import Pairs
from models.training.pictures import PicturesDamaged
from models.training.tokenizer import train_tokenizer
from models.training.views import View, look
from models.video.decode import open_clip
from models.video.encode import encode
from tests.models.evaluation.made import reader
from tests.models.video.files import numbered

SPEC = Preprocess(size=32, resize="squash", interpolation="bicubic", mean=(0.5,) * 3, std=(0.25,) * 3)
TEXTS = ("a red circle moves", "above a square", "slowly")
COUNT, LENGTH, SHOWN = 5, 12, 4


def _arrays() -> ClipArrays:
    """Five clips of twelve frames, which hold their clip's and their own number."""
    clips = np.zeros((COUNT, LENGTH, 8, 8, 3), np.uint8)
    clips[..., 0] = 10 * np.arange(COUNT)[:, None, None, None]
    clips[..., 1] = 10 * np.arange(LENGTH)[:, None, None]
    return ClipArrays(clips, [TEXTS] * COUNT, np.zeros(COUNT, bool), SHOWN)


def _files() -> ClipFiles:
    """The same number of files, whose frames are grey by their number."""
    data = encode(numbered(LENGTH, 48, 64), 8)
    return ClipFiles([Entry(f"video{row}", reader(data), TEXTS) for row in range(COUNT)], SPEC, SHOWN)


def _frames(clip: np.ndarray) -> list[int]:
    """Which of the twelve frames are shown, of arrays (second channel) and of files (grey in steps of 6)."""
    arrays = clip[0, 0, 0, 0] != clip[0, 0, 0, 1] or clip.shape[1] == 8
    return [round(frame[..., 1].mean() / (10 if arrays else 6)) for frame in clip]


SOURCES = [_arrays, _files]


@pytest.mark.parametrize("make", SOURCES)
def test_clips_are_pairs(make: type[Pairs]) -> None:
    """Of the shape that training takes: bytes, an axis of frames, a caption with the others of its clip."""
    pairs: Pairs = make()

    pixels = pairs.pixels(np.array([3, 0]))

    side = 8 if make is _arrays else 32
    assert ((2, SHOWN, side, side, 3), np.uint8) == (pixels.shape, pixels.dtype)
    assert (COUNT, TEXTS) == (len(pairs), pairs.captions[4])
    assert (TEXTS[1], (TEXTS[0], TEXTS[2])) == (pairs.caption(2, 1).text, pairs.caption(2, 1).others)


def test_rows_are_the_clips_asked_for() -> None:
    """In their order, and as a copy."""
    arrays = _arrays()

    pixels = arrays.pixels(np.array([4, 1]))

    assert [40, 10] == pixels[:, 0, 0, 0, 0].tolist()
    assert not np.shares_memory(arrays.clips, pixels)


@pytest.mark.parametrize("make", SOURCES)
def test_without_views_the_middles_are_shown(make: type[Pairs]) -> None:
    """Of four segments of three frames, as in evaluation; the same every time."""
    pairs: Pairs = make()

    assert [1, 4, 7, 10] == _frames(pairs.pixels(np.array([0]))[0]) == _frames(pairs.pixels(np.array([0]), [View()])[0])


@pytest.mark.parametrize("make", SOURCES)
def test_a_views_moment_draws_frames(make: type[Pairs]) -> None:
    """One of each segment: others for other moments, the same for the same, and different ones in the end."""
    pairs: Pairs = make()
    rows, moments = np.zeros(12, int), np.linspace(0, 0.99, 11)

    shown = [_frames(clip) for clip in pairs.pixels(rows, [View(moment=lot) for lot in (*moments, moments[3])])]

    assert shown[3] == shown[-1]
    assert len({tuple(each) for each in shown}) > 4
    assert all([0, 1, 2, 3] == [frame // 3 for frame in each] for each in shown)


def test_frames_share_a_view() -> None:
    """What is mirrored or cut off in one frame is in all."""
    rng = np.random.default_rng(0)
    noise = ClipArrays(rng.integers(0, 256, (1, SHOWN, 8, 8, 3), np.uint8), [TEXTS], np.zeros(1, bool), SHOWN)
    view = View(box=(0.25, 0.0, 1.0, 0.75), mirrored=True)

    found = noise.pixels(np.array([0]), [view])[0]

    np.testing.assert_array_equal(np.stack([look(Image.fromarray(each), view, 8) for each in noise.clips[0]]), found)


def test_files_take_the_way_of_pictures() -> None:
    """A whole view is `models.image.prepare`'s; a crop is cut from the frame as it is stored, not from what is left of it."""
    data = encode(numbered(LENGTH, 48, 64), 8)
    crop = View(box=(0.0, 0.1, 0.9, 1.0))
    with open_clip(data) as clip:
        images = list(clip.read([1, 4, 7, 10]))

    whole, cut = _files().pixels(np.array([0, 0]), [View(), crop])

    np.testing.assert_array_equal(np.stack([prepare(image, SPEC) for image in images]), whole)
    np.testing.assert_array_equal(np.stack([look(image, crop, 32) for image in images]), cut)


def test_crops_of_files_keep_their_proportions() -> None:
    """Where frames are cut to their middle, a crop is of that middle: it never shows what evaluation cuts off."""
    edges = np.zeros((LENGTH, 48, 96, 3), np.uint8)
    edges[:, :, :20], edges[:, :, -20:] = 255, 255
    spec = SPEC.model_copy(update={"resize": "shortest"})
    pairs = ClipFiles([Entry("wide", reader(encode(edges, 8)), TEXTS)], spec, SHOWN)

    crops = pairs.pixels(np.zeros(2, int), [View(box=(0.0, 0.0, 0.9, 0.9)), View(box=(0.1, 0.1, 1.0, 1.0))])

    assert crops.max() < 64


def test_a_clip_that_cannot_be_read_is_grey() -> None:
    """With a warning that names it, once the run is under way; the clips beside it are as they are."""
    good = Entry("good", reader(encode(numbered(LENGTH), 8)), ("x",))
    pairs = ClipFiles([Entry("video9", reader(b"no video"), ("x",)), good], SPEC, SHOWN)

    with pytest.warns(PicturesDamaged, match=r"video9 cannot be read \(the video is truncated or damaged"):
        bad, fine = pairs.pixels(np.array([0, 1]))

    assert {128} == set(bad.flat)
    assert [1, 4, 7, 10] == _frames(fine)


def test_clips_without_captions_are_passed_over() -> None:
    """And where no other is left, it is told."""
    silent = Entry("silent", reader(b""), ())
    told = Entry("told", reader(b""), ("x",))

    assert [("x",)] == ClipFiles([silent, told], SPEC, SHOWN).captions
    with pytest.raises(DatasetInvalid, match="no video with a caption"):
        ClipFiles([silent], SPEC, SHOWN)


def test_a_split_is_the_generators_clips(tmp_path: Path) -> None:
    """Row i holds the frames, captions and novelty of example i; the second time they are read."""
    found = load_clips(tmp_path, "test", 2, seed=4, size=64, frames=FRAMES)

    for number in range(2):
        made = clip_example("test", number, 4, 64)
        np.testing.assert_array_equal(made.frames, found.pixels(np.array([number]))[0])
        assert (made.captions, made.scene.held_back) == (found.captions[number], found.held_back[number])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fewer = load_clips(tmp_path, "test", 2, seed=4, size=64, frames=4)
    assert (2, 4, 64, 64, 3) == fewer.pixels(np.arange(2)).shape
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_any_moment_is_the_generators() -> None:
    """The whole picture, untouched, at a moment that follows from the generator."""
    first, again, other = (any_moment("left", np.random.default_rng(seed)) for seed in (0, 0, 1))

    assert first == again != other
    assert View() == View(first.box, first.mirrored, first.brightness, first.contrast, first.saturation)
    assert first.moment is not None
    assert 0 <= first.moment < 1


def test_batches_of_clips_follow_from_their_number() -> None:
    """The training loop's batches take clips as they take pictures, and draw other frames at each step."""
    tokenizer = train_tokenizer(TEXTS * 50, 300)
    batches = Batches(_arrays(), tokenizer, size=4, seed=1, view=any_moment)

    drawn = [batches.batch(step).pixels for step in (0, 1, 0)]

    assert (4, SHOWN, 8, 8, 3) == drawn[0].shape
    assert drawn[0].equal(drawn[2])
    assert [_frames(clip) for clip in drawn[0].numpy()] != [_frames(clip) for clip in drawn[1].numpy()]


def test_nothing_is_said_of_what_is_well() -> None:
    """No warning for clips that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _files().pixels(np.arange(COUNT))
