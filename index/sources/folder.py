"""A folder tree of image and video files: an item for each, whose id is its path inside the folder."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fsspec.spec import AbstractFileSystem

from index.errors import SourceError
from index.sources.item import IMAGE_SUFFIXES, SourceItem, Unusable
from index.sources.uri import is_local, open_filesystem, uri_of
from models.video.names import VIDEO_SUFFIXES


class FolderSource:
    """All image and video files under a folder, in the order of their names, folder by folder.

    Names that begin with a dot are left out, as are links to a folder that contains them.
    """

    def __init__(self, url: str) -> None:
        self._filesystem, self._root = open_filesystem(url)
        self._root = self._root.rstrip("/") or "/"

    @property
    def uri(self) -> str:
        """The folder's URI."""
        return uri_of(self._filesystem, self._root)

    @property
    def places(self) -> list[str]:
        """None: every fault is a file's."""
        return []

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        for path in self._paths():
            inside = path[len(self._root) :].lstrip("/")
            yield SourceItem(id=inside, uri=uri_of(self._filesystem, path))

    def count(self) -> int | None:
        """Number of image and video files; None on a remote file system."""
        return sum(1 for _ in self._paths()) if is_local(self._filesystem) else None

    def _paths(self) -> Iterator[str]:
        try:
            if is_local(self._filesystem):
                yield from _walk_local(self._root, ())
            else:
                yield from _walk(self._filesystem, self._root)
        except OSError as error:
            raise SourceError(f"{error.filename or self._root} cannot be listed: {error.strerror or error}") from error


def is_item_name(path: str) -> bool:
    """Whether a file's name says that it is an image or a video."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def _walk_local(folder: str, above: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as found:
        entries = sorted((entry.name, entry.is_dir()) for entry in found if not entry.name.startswith("."))
    for name, is_folder in entries:
        path = f"{folder.rstrip('/')}/{name}"
        if is_folder:
            yield from _walk_local(path, (*above, real))
        # a link to nowhere is listed: it ends in the rejects table, not in silence
        elif is_item_name(name) and (Path(path).is_file() or Path(path).is_symlink()):
            yield path


def _walk(filesystem: AbstractFileSystem, folder: str) -> Iterator[str]:
    entries = filesystem.ls(folder, detail=True)
    for entry in sorted(entries, key=lambda entry: str(entry["name"])):
        path = str(entry["name"])
        # object stores list the folder itself as an entry of no size
        if PurePosixPath(path).name.startswith(".") or path.rstrip("/") == folder.rstrip("/"):
            continue
        if entry["type"] == "directory":
            yield from _walk(filesystem, path)
        elif is_item_name(path):
            yield path
