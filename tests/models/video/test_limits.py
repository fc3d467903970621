"""What a video may cost."""

import io

import pytest

from models.video.errors import VideoTooLarge
from models.video.limits import VideoLimits, check_bytes


@pytest.mark.parametrize("place", [0, 5])
def test_the_size_of_a_file(place: int) -> None:
    """Exactly so many bytes may be; wherever the file stood, it stands at its beginning after."""
    file = io.BytesIO(b"x" * 10)
    file.seek(place)

    check_bytes(file, VideoLimits(max_bytes=10))

    assert 0 == file.tell()
    with pytest.raises(VideoTooLarge, match="has 10 bytes, 9 are allowed"):
        check_bytes(file, VideoLimits(max_bytes=9))
