"""URIs of stored items: how they are written, and how their bytes are fetched.

A URI is `file:///percent-encoded/path`, or any other URL that fsspec knows (`s3://`, `gs://`, `memory://` …). A member
of an uncompressed tar is the tar's URI and `#offset=N&size=N`, so that it is fetched without reading the rest.

Whoever may choose a URI may read what this process may read: nothing but URIs stored in a collection may come here,
and those come from a source that the person who ran the job named.
"""

import errno
import io
import os
import re
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from urllib.parse import unquote_to_bytes, urlsplit

import fsspec
from fsspec.spec import AbstractFileSystem

from index.errors import SourceError, UriMissing, UriUnreadable

_RANGE = re.compile(r"(?P<file>.*)#offset=(?P<offset>\d+)&size=(?P<size>\d+)", re.DOTALL)
_LOCAL = "file"
_CUT = "{} reaches behind the end of the file: the tar was cut or replaced, index it again"
_COPY_BYTES = 2**20


def open_filesystem(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system of *url*, and the path on it; a URL without scheme is a local path.

    Raises:
        SourceError: unknown scheme, or the package for it is not installed.
    """
    if url.startswith("file://"):
        return fsspec.filesystem(_LOCAL), local_path(url)
    try:
        filesystem, path = fsspec.url_to_fs(url)
    except ImportError as error:
        raise SourceError(f"{url} needs a package that is not installed: {error}") from error
    except ValueError as error:
        raise SourceError(f"{url} cannot be opened ({error}): give a path, or a URL that fsspec knows") from error
    return filesystem, str(path)


def is_local(filesystem: AbstractFileSystem) -> bool:
    """Whether paths on *filesystem* are paths of this machine."""
    protocol = filesystem.protocol
    return _LOCAL in ((protocol,) if isinstance(protocol, str) else protocol)


def local_path(uri: str) -> str:
    """The path behind a `file://` URI; bytes that are not UTF-8 survive."""
    return os.fsdecode(unquote_to_bytes(urlsplit(uri).path))


def open_binary(filesystem: AbstractFileSystem, path: str) -> IO[bytes]:
    """A file for reading, with seek."""
    return cast("IO[bytes]", filesystem.open(path, "rb"))


def uri_of(filesystem: AbstractFileSystem, path: str) -> str:
    """The URI of the file at *path*."""
    return Path(path).absolute().as_uri() if is_local(filesystem) else str(filesystem.unstrip_protocol(path))


def member_uri(tar_uri: str, offset: int, size: int) -> str:
    """The URI of *size* bytes at *offset* of an uncompressed tar."""
    return f"{tar_uri}#offset={offset}&size={size}"


def read_uri(uri: str, *, max_bytes: int | None = None) -> bytes:
    """The bytes of a stored item.

    Args:
        uri: as stored in a collection.
        max_bytes: read at most one byte more than this, so that a huge file shows as too large and costs no more.

    Raises:
        UriMissing: there is no such file.
        UriUnreadable: it cannot be read, or a tar has become shorter.
    """
    place = Place.of(uri)
    start, size = place.start, place.size
    end = None if max_bytes is None else start + max_bytes + 1
    if size is not None:
        end = start + size if end is None else min(end, start + size)
    with faults_told(place.file):
        data = _read(*place.located(), start, end)
    if size is not None and end is not None and len(data) < end - start:
        raise UriUnreadable(_CUT.format(uri))
    return data


@contextmanager
def open_uri(uri: str, *, max_bytes: int) -> Generator[BinaryIO]:
    """The file of a stored item, for reading with seek; it is not held in memory.

    A local file is read where it lies. Another is copied to a temporary file first: whoever asks reads it several times.

    Args:
        uri: as stored in a collection.
        max_bytes: of a file that is not local no more than one byte more than this is copied.

    Raises:
        UriMissing: there is no such file.
        UriUnreadable: it cannot be read, or a tar has become shorter.
    """
    place = Place.of(uri)
    with ExitStack() as held:
        with faults_told(place.file):
            filesystem, path = place.located()
            if place.is_local:
                opened = held.enter_context(place.part_of(Path(path).open("rb")))  # noqa: SIM115 - it is entered
            else:
                opened = cast("BinaryIO", held.enter_context(tempfile.TemporaryFile()))
                wanted = max_bytes + 1 if place.size is None else min(place.size, max_bytes + 1)
                if _copy(filesystem, path, place.start, wanted, opened) < wanted and place.size is not None:
                    raise UriUnreadable(_CUT.format(uri))
                opened.seek(0)
        yield opened


@dataclass(frozen=True)
class Place:
    """Where a stored URI leads to.

    Attributes:
        uri: as stored.
        file: URI of the file.
        start: first byte of the item in it.
        size: bytes of the item; None = all of the file.
    """

    uri: str
    file: str
    start: int = 0
    size: int | None = None

    @classmethod
    def of(cls, uri: str) -> "Place":
        """Taken apart."""
        match = _RANGE.fullmatch(uri)
        return cls(uri, match["file"], int(match["offset"]), int(match["size"])) if match else cls(uri, uri)

    def located(self) -> tuple[AbstractFileSystem, str]:
        """The file's file system, and its path there; raises as `open_filesystem`."""
        return open_filesystem(self.file)

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return is_local(self.located()[0])

    def part_of(self, file: BinaryIO) -> BinaryIO:
        """The item's bytes of the opened *file*, as a file that closes the other when it is closed.

        Raises:
            UriUnreadable: there are not so many; *file* is closed.
        """
        if self.size is None:
            return file
        if self.size > file.seek(0, io.SEEK_END) - self.start:
            file.close()
            raise UriUnreadable(_CUT.format(self.uri))
        return cast("BinaryIO", io.BufferedReader(_Part(file, self.start, self.size)))


class _Part(io.RawIOBase):
    """Some bytes of a file, as if they were a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise OSError(errno.EINVAL, "before the beginning of the file")
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever io hands over
        room = memoryview(buffer).cast("B")
        self._file.seek(self._start + self._place)
        data = self._file.read(max(0, min(len(room), self._size - self._place)))
        room[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _copy(filesystem: AbstractFileSystem, path: str, start: int, size: int, to: BinaryIO) -> int:
    """Copy at most *size* bytes from *start*; how many there were."""
    copied = 0
    with open_binary(filesystem, path) as file:
        file.seek(start)
        while copied < size and (data := file.read(min(_COPY_BYTES, size - copied))):
            copied += to.write(data)
    return copied


@contextmanager
def faults_told(file: str) -> Generator[None]:
    """Tell what goes wrong with the file of that URI.

    Raises:
        UriMissing: it is not there.
        UriUnreadable: it cannot be read.
    """
    try:
        yield
    except UriUnreadable:
        raise
    except FileNotFoundError as error:
        raise UriMissing(f"{file} is not there: bring it back, or index the corpus again") from error
    except OSError as error:
        raise UriUnreadable(f"{file} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # a job boundary: the client of a remote file system raises what it likes, and one address must not end a job
        raise UriUnreadable(f"{file} cannot be read: {error}") from error


def _read(filesystem: AbstractFileSystem, path: str, start: int, end: int | None) -> bytes:
    if not is_local(filesystem):
        return cast("bytes", filesystem.cat_file(path, start=start or None, end=end))
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(-1 if end is None else end - start)
