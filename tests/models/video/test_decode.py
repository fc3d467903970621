"""Video files as chosen frames: right ones, upright, and nothing but a sentence for what is broken or too large."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.video.decode import open_clip
from models.video.errors import VideoTooLarge, VideoUnreadable
from models.video.limits import VideoLimits
from tests.models.video.files import SIDE, corners, growing, number_of, numbered, quarters, sound, video

# container, encoder, its options: reordered frames, hidden ones, times that the container does not keep, closed groups
ENCODINGS = (
    ("mp4", "libx264", {"bf": "2"}),
    ("mp4", "libx264", {"bf": "0"}),
    ("mp4", "mpeg4", {"b": "2000000"}),
    ("matroska", "libx264", {"bf": "3"}),
    ("webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
    ("webm", "libvpx-vp9", {"cpu-used": "8"}),
    ("avi", "mpeg4", {"b": "2000000"}),
    ("avi", "libx264", {"bf": "2"}),
    ("mpegts", "libx264", {"bf": "2"}),
    ("flv", "libx264", {"bf": "2"}),
)
SMALL = VideoLimits(max_pixels=SIDE * SIDE)


@pytest.fixture(scope="module")
def plain() -> bytes:
    """Thirty numbered frames, a keyframe every ten."""
    return video(numbered(30))


def read(data: bytes | Path, positions: Sequence[int], limits: VideoLimits = VideoLimits()) -> list[int]:
    """Numbers of the frames that come for *positions*."""
    with open_clip(data, limits) as clip:
        return [number_of(image) for image in clip.read(positions)]


@pytest.mark.parametrize(("form", "codec", "options"), ENCODINGS)
def test_the_frames_asked_for_come(form: str, codec: str, options: dict[str, str]) -> None:
    """In every container, positions count frames in the order of showing: alone, scattered, repeated, all."""
    data = video(numbered(30), form, codec, **options)

    with open_clip(data) as clip:
        count = clip.count
    assert 30 == count
    for positions in ([0], [29], [17], [3, 4, 5], [0, 9, 10, 11, 29], [12, 12, 28, 28], list(range(30))):
        assert positions == read(data, positions)


@pytest.fixture(scope="module")
def whole(plain: bytes) -> list[np.ndarray]:
    """All frames of that clip, decoded in order."""
    with open_clip(plain) as clip:
        return [np.asarray(image) for image in clip.read(range(30))]


@settings(max_examples=15)
@given(positions=st.lists(st.integers(0, 29), min_size=1, max_size=6).map(sorted))
def test_skipping_gives_what_decoding_all_gives(plain: bytes, whole: list[np.ndarray], positions: list[int]) -> None:
    """Whatever is skipped between keyframes, a frame's pixels are those of the whole clip decoded in order."""
    with open_clip(plain) as clip:
        for place, image in zip(positions, clip.read(positions), strict=True):
            np.testing.assert_array_equal(whole[place], np.asarray(image))


def test_what_is_known_without_decoding(plain: bytes) -> None:
    """Size, number of frames, and the time from the first to the last: at 8 a second, 29/8 s."""
    with open_clip(plain) as clip:
        found = (clip.size, clip.count, clip.seconds)

    assert ((SIDE, SIDE), 30, 29 / 8) == found


def test_a_file_is_read_as_its_bytes_are(plain: bytes, tmp_path: Path) -> None:
    """A path and the bytes that lie there give the same frames."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(plain)

    assert read(plain, [2, 20]) == read(path, [2, 20])


def test_only_what_is_needed_is_decoded() -> None:
    """From the keyframe before to the frame: the last of forty frames costs a group of ten, not the clip."""
    data = video(numbered(40, 64, 64), gap=10, bf="0")

    assert [39] == read(data, [39], VideoLimits(max_decoded_pixels=11 * SIDE * SIDE))
    with pytest.raises(VideoTooLarge, match="with more keyframes"):
        read(data, [4, 39], VideoLimits(max_decoded_pixels=11 * SIDE * SIDE))


def test_one_group_costs_all_before() -> None:
    """A clip with one keyframe must be decoded from its start, and the limit says so."""
    data = video(numbered(40, 64, 64), gap=40, bf="0", sc_threshold="0")

    with pytest.raises(VideoTooLarge, match="pixels would have to be decoded"):
        read(data, [39], VideoLimits(max_decoded_pixels=20 * SIDE * SIDE))


@pytest.mark.parametrize(
    ("turn", "shown", "size"),
    [
        (None, "rgbw", (64, 48)),
        ((90, False, False), "gbwr", (48, 64)),
        ((-90, False, False), "wrgb", (48, 64)),
        ((180, False, False), "bwrg", (64, 48)),
        ((0, True, False), "grwb", (64, 48)),
        ((0, False, True), "wbgr", (64, 48)),
        # transposed along either diagonal
        ((90, True, False), "bgrw", (48, 64)),
        ((90, False, True), "rwbg", (48, 64)),
        # no camera is held quite straight: the nearest quarter turn
        ((80, False, False), "gbwr", (48, 64)),
    ],
)
def test_frames_are_upright(turn: tuple[float, bool, bool] | None, shown: str, size: tuple[int, int]) -> None:
    """A telephone's video is turned and mirrored as its display matrix says."""
    data = video(np.stack([quarters(48, 64)] * 2), turn=turn, crf="5")

    with open_clip(data) as clip:
        (image,) = clip.read([1])

    assert (shown, size, "RGB") == (corners(image), image.size, image.mode)


@pytest.mark.parametrize("positions", [[30], [-1], [5, 4]])
def test_positions_that_no_clip_has(plain: bytes, positions: list[int]) -> None:
    """Beyond the end, before the start, or going back: a mistake of the caller's, told with the clip's length."""
    with pytest.raises(ValueError, match="a clip of 30 frames"):
        read(plain, positions)


def test_nothing_asked_nothing_given(plain: bytes) -> None:
    """No positions, no frames."""
    assert [] == read(plain, [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "truncated or damaged"),
        (b"not a video " * 50, "truncated or damaged"),
        (sound(), "no video stream"),
        (sound(cover=True), "no video stream"),
        (video(numbered(3), "matroska", "ffv1"), "encoded with ffv1: encode it as"),
    ],
    ids=["empty", "text", "sound", "sound with a cover", "a codec of archives"],
)
def test_what_is_no_video_is_told(data: bytes, said: str) -> None:
    """Each is an InputError of its own words."""
    with pytest.raises(VideoUnreadable, match=said):
        read(data, [0])


def test_a_playlist_opens_nothing(tmp_path: Path, plain: bytes) -> None:
    """Lists that make FFmpeg open other files or addresses are no videos, though what they name is there and whole."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(plain)
    lists = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{path}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {path}\n",
    )

    for each in lists:
        (tmp_path / "list.mp4").write_text(each)
        for source in (each.encode(), tmp_path / "list.mp4"):
            with pytest.raises(VideoUnreadable):
                read(source, [0])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A path where nothing lies is an InputError too."""
    with pytest.raises(VideoUnreadable, match="No such file"):
        read(tmp_path / "gone.mp4", [0])


def test_a_container_without_frames(plain: bytes) -> None:
    """A stream that is announced and never comes: the table of frames' sizes has no entry."""
    table = plain.index(b"stsz") + 12
    data = plain[:table] + bytes(4) + plain[table + 4 :]

    with pytest.raises(VideoUnreadable, match="no frame"):
        read(data, [])


def test_limits_come_before_work(plain: bytes) -> None:
    """Bytes, pixels, seconds and frames are each refused with the number that is allowed."""
    for limits, said in (
        (VideoLimits(max_bytes=100), "100 are allowed"),
        (VideoLimits(max_pixels=4095), "64 x 64 pixels, at most 4,095"),
        (VideoLimits(max_seconds=2), "2 s are allowed"),
        (VideoLimits(max_frames=29), "more than 29 frames"),
    ):
        with pytest.raises(VideoTooLarge, match=said):
            read(plain, [0], limits)


@pytest.mark.parametrize("live", [False, True])
def test_endless_clips_are_refused(live: bool) -> None:
    """Hours between frames are found in the header, and by the frames' own times where there is no duration."""
    data = video(numbered(5), "matroska", "libvpx", rate=Fraction(1, 2000), live=live)

    with pytest.raises(VideoTooLarge, match="3,600 s are allowed"):
        read(data, [0])


def test_a_stream_without_a_duration_is_read() -> None:
    """A recording that was never finished tells neither length nor frames, and has them all the same."""
    data = video(numbered(12), "webm", "libvpx", live=True)

    assert [0, 6, 11] == read(data, [0, 6, 11])


def test_frames_larger_than_the_header_says() -> None:
    """The header's small frames let no large ones in: neither those that decode nor those that are not even tried."""
    with pytest.raises(VideoTooLarge, match="128 x 128 pixels"):
        read(growing([64, 128, 128, 128, 128, 128]), [2], SMALL)
    with pytest.raises(VideoUnreadable, match="can be decoded"):
        read(growing([64, 512, 512, 512, 512, 512]), [2], SMALL)


def test_one_bad_frame_is_replaced_by_the_next() -> None:
    """As players do: a frame that does not decode is passed over, if one near it does."""
    assert 1 == len(read(growing([64, 64, 512, 64, 64]), [2], SMALL))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_off_is_told(share: float) -> None:
    """An MP4 whose end is missing is refused, not shown as a shorter clip: with its index in front, or behind."""
    # frames that do not compress, so that they are most of the file
    noise = np.random.default_rng(0).integers(0, 255, (20, SIDE, SIDE, 3), np.uint8)
    behind = video(noise)
    for data in (behind, _index_first(behind)):
        with pytest.raises(VideoUnreadable):
            read(data[: int(share * len(data))], [0, 19])


def _index_first(data: bytes) -> bytes:
    """The same MP4 with its index in front, as videos on the web have it."""
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(data)) as source,
        av.open(file, "w", format="mp4", options={"movflags": "faststart+frag_keyframe+empty_moov"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return file.getvalue()


@settings(max_examples=50)
@given(
    st.sampled_from([("mp4", "libx264"), ("webm", "libvpx-vp9"), ("avi", "mpeg4"), ("mpegts", "libx264")]),
    st.integers(0, 2**32 - 1).map(np.random.default_rng),
    st.sampled_from([1, 8, 64]),
)
def test_damage_never_escapes(kind: tuple[str, str], rng: np.random.Generator, bytes_changed: int) -> None:
    """With any bytes changed a clip gives frames of its size or an InputError: nothing else, and nothing hangs."""
    data = bytearray(_damaged_source(*kind))
    for place in rng.integers(len(data), size=bytes_changed):
        data[place] = rng.integers(256)

    try:
        with open_clip(bytes(data), VideoLimits(max_pixels=512 * 512)) as clip:
            for image in clip.read(np.linspace(0, clip.count - 1, 5).astype(int)):
                assert image.width * image.height <= 512 * 512
    except InputError as error:
        assert len(str(error)) > 20


_made: dict[tuple[str, str], bytes] = {}


def _damaged_source(form: str, codec: str) -> bytes:
    if (form, codec) not in _made:
        _made[form, codec] = video(numbered(12), form, codec)
    return _made[form, codec]
