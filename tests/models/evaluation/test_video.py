"""Retrieval of videos by a bundle that knows pictures."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.bundle import Bundle
from models.evaluation.compare import compare
from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.embed import embed
from models.evaluation.figures import RECALLS
from models.evaluation.files import write_report
from models.evaluation.markdown import markdown
from models.evaluation.video import ClipEmbedder, FramePooling, Pool, attended, measure_clips, posters
from models.video.limits import VideoLimits
from models.video.pooling import mean_pool
from tests.models.evaluation.made import picture, reader
from tests.models.evaluation.made_clips import clip_of, colour_clips

ATTENTION = FramePooling(4, "attention", 0.05)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """A model that finds a colour's name and pictures in that colour."""
    return Bundle.open(tiny_bundle)


def _mixed() -> Dataset:
    """Two videos: one that is black but for a quarter in red, one that is orange, which is not far from red."""
    entries = (
        Entry("rarely red", reader(clip_of("black", "red", "black", "black")), ("red",)),
        Entry("orange", reader(clip_of("orange")), ("orange",)),
    )
    return Dataset("mixed", "made", "", entries, unit="video")


@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_a_model_that_knows_colours_finds_videos(bundle: Bundle, pool: Pool) -> None:
    """Videos of one colour are found by its name, by either pooling, and told from those of another."""
    found = measure_clips(bundle, colour_clips(), FramePooling(3, pool))

    assert (1.0, 600.0, 1.0) == (found.figures["t2i_r1"], found.figures["rsum"], found.figures["i2t_median"])
    assert (4, 8, 1.0) == (found.images, found.captions, found.figures["edits.colour"])


def test_frames_take_the_way_of_pictures(bundle: Bundle) -> None:
    """A video of one colour has very nearly the vector of a picture in that colour: the encoder blurs, nothing else."""
    embedder = ClipEmbedder(bundle, FramePooling(4))

    clip = embedder.embed_images(embedder.prepare(clip_of("red"))[None])
    still = bundle.embed_images(bundle.prepare(picture((230, 30, 30)))[None])

    assert (clip @ still.T).item() > 0.999


def test_the_mean_is_of_the_frames(bundle: Bundle) -> None:
    """One unit vector a clip; frames that are kept apart pool to it."""
    data = _mixed()
    mean = embed(ClipEmbedder(bundle, FramePooling(4)), data.entries)
    apart = embed(ClipEmbedder(bundle, ATTENTION), data.entries)

    assert ((2, 16), (2, 64)) == (mean.images.shape, apart.images.shape)
    np.testing.assert_allclose(mean.images, mean_pool(apart.images.reshape(2, 4, 16)), atol=1e-6)


def test_attention_finds_what_the_mean_drowns(bundle: Bundle) -> None:
    """Asked for red, the mean prefers a video that is orange throughout; attention the one with a red quarter."""
    mean, attention = (measure_clips(bundle, _mixed(), how) for how in (FramePooling(4), ATTENTION))

    assert 2 == mean.pool.tasks["t2i"].ranks[0]
    assert [1, 1] == attention.pool.tasks["t2i"].ranks


def test_products_are_the_scores(bundle: Bundle) -> None:
    """On axes of their own clips have, by any text, the product that attention gives; at high temperature, the mean's."""
    data = replace(colour_clips(), entries=(*colour_clips().entries, *_mixed().entries))
    mean = embed(ClipEmbedder(bundle, FramePooling(4)), data.entries, edits=True)

    found = attended(embed(ClipEmbedder(bundle, ATTENTION), data.entries, edits=True), 4, 1e6)

    np.testing.assert_allclose(mean.texts @ mean.images.T, found.texts @ found.images.T, atol=1e-4)
    np.testing.assert_allclose(mean.edits.vectors @ mean.images.T, found.edits.vectors @ found.images.T, atol=1e-4)


def test_the_order_of_frames_is_not_seen(bundle: Bundle) -> None:
    """A clip and the same clip backwards are one to every pooling here: directions of movement cannot be told."""
    clips = [clip_of("red", "red", "blue", "green", frames=1), clip_of("green", "blue", "red", "red", frames=1)]
    entries = tuple(Entry(str(place), reader(data), ("red",)) for place, data in enumerate(clips))
    for pool in ("mean", "attention"):
        how = FramePooling(4, pool)
        found = embed(ClipEmbedder(bundle, how), entries)
        if pool == "attention":
            found = attended(found, 4, how.temperature)
        forth, back = found.images @ found.texts[0]

        assert pytest.approx(forth, abs=0.01) == back


def test_the_report_tells_how(bundle: Bundle) -> None:
    """Frames and pooling stand with the precision, videos are called videos."""
    mean, attention = (measure_clips(bundle, colour_clips(), how) for how in (FramePooling(2), ATTENTION))

    assert mean.model is not None
    assert attention.model is not None
    assert ("fp32, 2 frames, mean", "fp32, 4 frames, attention at 0.05") == (
        mean.model.variant,
        attention.model.variant,
    )
    assert "video" == mean.unit
    said = markdown(mean)
    assert "4 videos, 8 captions" in said
    assert "text→video" in said
    assert "image" not in said.replace("images before", "")


def test_two_poolings_can_be_compared(bundle: Bundle) -> None:
    """They are of the same data: every recall has its difference and interval."""
    mean, attention = (measure_clips(bundle, _mixed(), how) for how in (FramePooling(4), ATTENTION))

    found = {each.name: each for each in compare(mean, attention, resamples=100).differences}

    assert set(RECALLS) <= found.keys()
    assert 0.5 == found["t2i_r1"].difference


def test_without_false_captions_there_are_no_edits(bundle: Bundle) -> None:
    """MSR-VTT has none: retrieval alone is measured."""
    assert not any(name.startswith("edits") for name in measure_clips(bundle, _mixed(), FramePooling(2)).figures)


def test_progress_sees_every_video(bundle: Bundle) -> None:
    """What is handed in is what passes, one by one."""
    data, seen = colour_clips(), list[str]()

    measure_clips(bundle, data, FramePooling(1), progress=(seen.append(each.id) or each for each in data.entries))

    assert [each.id for each in data.entries] == seen


def test_a_damaged_video_is_named(bundle: Bundle) -> None:
    """With what is wrong with it, whether it is measured or shown."""
    data = Dataset("broken", "made", "", (Entry("video7", lambda: b"no video", ("red",)),), unit="video")

    with pytest.raises(DatasetInvalid, match="'video7': the video is truncated or damaged"):
        measure_clips(bundle, data, FramePooling(2))
    with pytest.raises(DatasetInvalid, match="video 'video7'"):
        posters(data).entries[0].read()


def test_limits_hold(bundle: Bundle) -> None:
    """What a file may cost is part of how it is seen."""
    with pytest.raises(DatasetInvalid, match="frames: shorten it"):
        measure_clips(bundle, colour_clips(), FramePooling(2, limits=VideoLimits(max_frames=2)))


def test_a_poster_is_four_frames_in_reading_order() -> None:
    """The page of a report shows pictures: the quarters of a clip, two beside each other."""
    data = Dataset("one", "made", "", (Entry("v", reader(clip_of("red", "green", "blue", "white")), ("x",)),))

    sheet = np.asarray(Image.open(io.BytesIO(posters(data).entries[0].read())).convert("RGB"), int)

    assert (64, 64, 3) == sheet.shape
    brightest = [sheet[16, 16].argmax(), sheet[16, 48].argmax(), sheet[48, 16].argmax()]
    assert ([0, 1, 2], True) == (brightest, sheet[48, 48].min() > 200)


def test_a_page_of_videos_is_written(bundle: Bundle, tmp_path: Path) -> None:
    """The report's HTML holds a poster of every video that it shows."""
    data = colour_clips()

    write_report(measure_clips(bundle, data, FramePooling(2)), posters(data), tmp_path)

    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 4
    assert "text→video" in page
