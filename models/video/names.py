"""Which files are videos, by their names."""

from pathlib import PurePosixPath

# not .ts and .mts: those are programs more often
VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".wmv", ".flv", ".ogv", ".3gp", ".3g2", ".asf")
)  # fmt: skip


def is_video_name(path: str) -> bool:
    """Whether a file's name, or the path of a URL, says that it is a video."""
    return PurePosixPath(path.partition("?")[0]).suffix.lower() in VIDEO_SUFFIXES
