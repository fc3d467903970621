"""Which files are videos, by their names."""

import pytest

from models.video.names import is_video_name


@pytest.mark.parametrize("name", ["a.mp4", "a/b.c.MKV", "file:///a%3Fb.webm", "https://host/a.mov?token=b.png"])
def test_videos(name: str) -> None:
    """By the suffix, in any case; what follows a URL's question mark is no name."""
    assert is_video_name(name)


@pytest.mark.parametrize("name", ["a.png", "mp4", "a.mp4.txt", "a.ts", "", "https://host/a.png?b.mp4", "a.gif"])
def test_others(name: str) -> None:
    """Pictures, animated ones too, programs in TypeScript, and what has no suffix."""
    assert not is_video_name(name)
