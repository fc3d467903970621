"""index.videos, and the job over videos: moments and vectors of what can be read, a reason for what cannot."""

import dataclasses
import hashlib
import io
import json
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index.collection import Collection
from index.errors import VideoSupportMissing
from index.options import EmbedOptions
from index.prepare import Ready, Unchanged, prepare_item
from index.schema import Record, Reject
from index.sources import open_source
from index.sources.item import SourceItem
from index.sources.uri import open_filesystem
from index.videos import VideoOptions, moments_in, sha256_of
from models.decode import DecodeLimits
from models.video.limits import VideoLimits
from models.video.moments import read_moments
from models.video.pooling import mean_pool
from models.video.sampling import Sampling
from tests.index.support import CountingBundle, collection_for, counting, live_captions, picture, run_job, write_table
from tests.models.video.files import sound
from tests.support.data import write_tar
from tests.support.videos import colour_video

SPARSE = EmbedOptions(videos=VideoOptions(Sampling(every=2.0)))


@pytest.fixture(scope="module")
def red_blue() -> bytes:
    """Two seconds of red, two of blue: sixteen frames."""
    return colour_video("red", "blue")


def _item(path: Path, data: bytes, **fields: object) -> SourceItem:
    path.write_bytes(data)
    return dataclasses.replace(SourceItem("a", path.as_uri(), ("red",), {"n": 1}), **fields)


def _prepared(item: SourceItem, stored: Record | None, bundle: CountingBundle, **options: object) -> object:
    videos = VideoOptions(**options)  # pyright: ignore[reportArgumentType]
    return prepare_item(item, stored, bundle, DecodeLimits(), videos=videos)


def test_a_video_becomes_its_moments(tmp_path: Path, tiny_bundle: Path, red_blue: bytes) -> None:
    """The record holds hash, size and length of the file; frames come instead of pixels."""
    outcome = _prepared(_item(tmp_path / "a.mp4", red_blue), None, counting(tiny_bundle))

    assert isinstance(outcome, Ready) and outcome.pixels is None and outcome.frames is not None
    record = outcome.record
    assert (hashlib.sha256(red_blue).hexdigest(), 48, 40, ("red",)) == (
        record.sha256, record.width, record.height, record.captions,
    )  # fmt: skip
    assert record.video is not None and (3.75, 4) == (record.video.seconds, record.video.moments)
    assert ((4, 32, 32, 3), [0.0, 1.0, 2.0, 3.0]) == (outcome.frames.pixels.shape, outcome.frames.seconds.tolist())


def test_the_same_bytes_at_the_same_times_are_kept(tmp_path: Path, tiny_bundle: Path, red_blue: bytes) -> None:
    """Other captions write the row anew without decoding; another sampling, or other bytes, decode again."""
    bundle = counting(tiny_bundle)
    item = _item(tmp_path / "a.mp4", red_blue)
    first = _prepared(item, None, bundle)
    assert isinstance(first, Ready)

    assert Unchanged("a") == _prepared(item, first.record, bundle)
    recaptioned = _prepared(dataclasses.replace(item, captions=("blue",)), first.record, bundle)
    assert Ready(dataclasses.replace(first.record, captions=("blue",)), None) == recaptioned
    again = _prepared(item, first.record, bundle, sampling=Sampling(every=2.0))
    assert isinstance(again, Ready) and again.frames is not None and 2 == len(again.frames.seconds)
    other = _prepared(_item(tmp_path / "a.mp4", colour_video("green")), first.record, bundle)
    assert isinstance(other, Ready) and other.frames is not None


def test_a_hash_that_the_source_knows_spares_reading(tmp_path: Path, tiny_bundle: Path, red_blue: bytes) -> None:
    """The file need not even be there."""
    bundle = counting(tiny_bundle)
    item = _item(tmp_path / "a.mp4", red_blue)
    first = _prepared(item, None, bundle)
    assert isinstance(first, Ready)
    (tmp_path / "a.mp4").unlink()

    assert Unchanged("a") == _prepared(dataclasses.replace(item, sha256=first.record.sha256), first.record, bundle)


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (b"", {}, "not-a-video"),
        (b"\0" * 999, {}, "not-a-video"),
        (picture(1, "JPEG"), {}, "not-a-video"),
        (sound(), {}, "not-a-video"),
        (colour_video("red")[:700], {}, "not-a-video"),
        (colour_video("red"), {"max_bytes": 99}, "too-large"),
        (colour_video("red"), {"max_pixels": 99}, "too-large"),
        (colour_video("red"), {"max_seconds": 1}, "too-large"),
        (colour_video("red"), {"max_frames": 3}, "too-large"),
        (None, {}, "missing-file"),
    ],
    ids=["empty", "zeros", "a picture", "sound", "cut off", "bytes", "pixels", "seconds", "frames", "gone"],
)
def test_why_a_video_is_rejected(
    tmp_path: Path, tiny_bundle: Path, data: bytes | None, limits: dict[str, int], reason: str
) -> None:
    """Each with its own reason, and a sentence."""
    item = _item(tmp_path / "a.mp4", data or b"")
    if data is None:
        (tmp_path / "a.mp4").unlink()

    outcome = _prepared(item, None, counting(tiny_bundle), limits=VideoLimits(**limits))

    assert isinstance(outcome, Reject) and outcome.detail
    assert reason == outcome.reason


def test_a_video_in_a_tar_and_elsewhere(tmp_path: Path, tiny_bundle: Path, red_blue: bytes) -> None:
    """A member of a tar, and a file on another file system, are the same video."""
    bundle = counting(tiny_bundle)
    write_tar(tmp_path / "s.tar", [("1.mp4", red_blue), ("1.txt", b"red then blue"), ("2.png", picture(1))])
    (member, image) = list(open_source(str(tmp_path / "s.tar")))
    uri = f"memory://{uuid.uuid4().hex}/a.mp4"
    filesystem, path = open_filesystem(uri)
    filesystem.pipe_file(path, red_blue)
    here = _prepared(_item(tmp_path / "a.mp4", red_blue), None, bundle)
    assert isinstance(member, SourceItem) and isinstance(image, SourceItem) and isinstance(here, Ready)

    for item in (member, SourceItem("b", uri)):
        found = _prepared(item, None, bundle)
        assert isinstance(found, Ready) and found.frames is not None and here.frames is not None
        assert here.record.sha256 == found.record.sha256
        np.testing.assert_array_equal(here.frames.pixels, found.frames.pixels)
    assert ("red then blue",) == member.captions
    assert isinstance(_prepared(image, None, bundle), Ready) and not image.is_video


def test_a_remote_video_is_copied_no_further_than_allowed(tmp_path: Path, tiny_bundle: Path, red_blue: bytes) -> None:
    """What is larger than it may be is found so without fetching it all; what is gone is told."""
    uri = f"memory://{uuid.uuid4().hex}/a.mp4"
    filesystem, path = open_filesystem(uri)
    filesystem.pipe_file(path, red_blue)

    large = _prepared(SourceItem("a", uri), None, counting(tiny_bundle), limits=VideoLimits(max_bytes=50))
    gone = _prepared(SourceItem("a", uri + "x.mp4"), None, counting(tiny_bundle))

    assert isinstance(large, Reject) and ("too-large", "51 bytes" in large.detail) == (large.reason, True)
    assert isinstance(gone, Reject) and "missing-file" == gone.reason


@pytest.fixture
def mixed(tmp_path: Path, red_blue: bytes) -> Path:
    """A folder of videos and pictures, good and bad."""
    folder = tmp_path / "corpus"
    (folder / "films").mkdir(parents=True)
    (folder / "films" / "a.mp4").write_bytes(red_blue)
    (folder / "films" / "b.webm").write_bytes(colour_video("green", form="webm"))
    (folder / "c.png").write_bytes(picture(1))
    (folder / "d.mov").write_bytes(b"")
    (folder / "e.mkv").write_bytes(red_blue[:600])
    (folder / "notes.txt").write_bytes(b"no item")
    return folder


def test_a_folder_of_both(tmp_path: Path, tiny_bundle: Path, mixed: Path) -> None:
    """Pictures are pictures, videos have their moments, what cannot be read is told, and the job goes on."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)

    summary = run_job(collection, open_source(str(mixed)), bundle)

    assert (5, 3, 6, {"not-a-video": 2}, True) == (
        summary.seen, summary.embedded, summary.moments, summary.rejected, summary.finished,
    )  # fmt: skip
    read = Collection.open(tmp_path, "test")
    assert {"films/a.mp4": 4, "films/b.webm": 2, "c.png": None} == {
        each.id: each.video and each.video.moments for each in read.first(9)
    }
    assert ["d.mov", "e.mkv"] == [reject.id for reject in read.rejects()]
    assert 6 == sum(len(rows) for rows, _ in read.moments.vectors(read.items))


def test_vectors_are_the_moments_and_their_mean(
    tmp_path: Path, tiny_bundle: Path, red_blue: bytes, mixed: Path
) -> None:
    """Each moment's is what the bundle makes of that frame as of a picture; the video's is their mean, of unit norm."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    run_job(collection, open_source(str(mixed)), bundle, EmbedOptions(image_batch=3))
    expected = bundle.embed_images(read_moments(red_blue, bundle.manifest.preprocess).pixels)
    record = collection.get("films/a.mp4")
    assert record is not None

    moments = collection.moments.of(record)

    assert moments is not None and max(bundle.batches[:-1]) <= 3
    np.testing.assert_allclose(expected, moments.vectors, atol=2e-3)
    np.testing.assert_allclose(mean_pool(expected), collection.vectors([record.id])[record.id], atol=2e-3)
    assert [(48, 40)] * 4 == [Image.open(io.BytesIO(still)).size for still in moments.stills]


def test_a_text_finds_its_moment(tmp_path: Path, tiny_bundle: Path, mixed: Path) -> None:
    """Red is shown from the beginning, blue from the third second on."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    run_job(collection, open_source(str(mixed)), bundle)
    record = collection.get("films/a.mp4")
    red, blue = bundle.embed_texts(["red", "blue"]).vectors
    assert record is not None

    found = collection.moments.best([(record, red), (record, blue)])

    assert [0.0, 2.0] == [each.seconds for each in found if each is not None]


def test_a_second_run_reads_and_does_nothing_more(tmp_path: Path, tiny_bundle: Path, mixed: Path) -> None:
    """Nothing is embedded and nothing written; with another sampling the videos alone are."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    run_job(collection, open_source(str(mixed)), bundle)
    versions = collection.version, collection.moments.version
    bundle.start_counting()

    again = run_job(collection, open_source(str(mixed)), bundle)
    assert ((3, 0, 0), []) == ((again.unchanged, again.embedded, again.moments), bundle.batches)
    assert versions == (collection.latest().version, collection.latest().moments.version)

    other = run_job(collection, open_source(str(mixed)), bundle, SPARSE)
    assert (1, 2, 3) == (other.unchanged, other.embedded, other.moments)
    assert 3 == collection.latest().moments.count()


def test_captions_and_metadata_of_videos(tmp_path: Path, tiny_bundle: Path, red_blue: bytes) -> None:
    """A table's column `video` holds videos whatever their names; when captions change the moments stay."""
    bundle = counting(tiny_bundle)
    (tmp_path / "film").write_bytes(red_blue)

    def run(caption: str) -> Collection:
        rows = [{"id": "a", "video": "film", "caption": caption, "year": 2026}]
        source = open_source(str(write_table(tmp_path / "t.jsonl", rows)))
        known = (tmp_path / "test").exists()
        collection = Collection.open(tmp_path, "test") if known else collection_for(bundle, tmp_path)
        run_job(collection, source, bundle)
        return collection.latest()

    before = run("red")
    after = run("blue")

    assert [("a", 0, "blue")] == live_captions(after)
    record = after.get("a")
    assert record is not None and record.video is not None and {"year": 2026} == record.metadata
    assert (before.moments.version, 4) == (after.moments.version, after.moments.count())


def test_many_videos_are_in_flight_in_turn(tmp_path: Path, tiny_bundle: Path) -> None:
    """One at a time is enough to come through, whatever stands between them."""
    bundle = counting(tiny_bundle)
    folder = tmp_path / "corpus"
    folder.mkdir()
    short = colour_video("red", seconds=1)
    for number in range(12):
        (folder / f"{number:02d}.mp4").write_bytes(short)
        (folder / f"{number:02d}.png").write_bytes(picture(number))
    collection = collection_for(bundle, tmp_path)
    options = EmbedOptions(readers=3, window=4, videos=VideoOptions(window=1))

    assert 24 == run_job(collection, open_source(str(folder)), bundle, options).embedded


@pytest.mark.parametrize("window", [0, -1])
def test_at_least_one_video_is_in_flight(window: int) -> None:
    """Or none would ever be read."""
    with pytest.raises(ValueError, match="at least 1"):
        VideoOptions(window=window)


def test_the_hash_is_of_the_whole_file(red_blue: bytes) -> None:
    """Wherever it stood."""
    file = io.BytesIO(red_blue)
    file.read(100)

    assert hashlib.sha256(red_blue).hexdigest() == sha256_of(file)


def test_without_pyav_videos_wait(
    tmp_path: Path, tiny_bundle: Path, mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not installed, videos are rejected with what to install, pictures come in, and a later run adds the rest."""
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "models.video.moments", None)
        with pytest.raises(VideoSupportMissing, match=r"pip install 'vilem-search\[video\]'"):
            moments_in(io.BytesIO(), bundle.manifest.preprocess, VideoOptions())
        summary = run_job(collection, open_source(str(mixed)), bundle)
    assert (1, {"no-video-support": 4}) == (summary.embedded, summary.rejected)

    later = run_job(collection, open_source(str(mixed)), bundle)

    assert (2, {"not-a-video": 2}) == (later.embedded, later.rejected)
    assert ["d.mov", "e.mkv"] == [reject.id for reject in collection.rejects()]


def test_indexing_pictures_loads_no_ffmpeg() -> None:
    """Neither does serving: it is loaded when the first video is decoded."""
    script = "import sys, json, index.embed, service.app; print(json.dumps('av' in sys.modules))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) is False
