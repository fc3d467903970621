"""URIs of stored items: how they are written, and how their bytes are fetched.

A URI is `file:///percent-encoded/path`, or any other URL that fsspec knows (`s3://`, `gs://`, `memory://` …). A member
of an uncompressed tar is the tar's URI and `#offset=N&size=N`, so that it is fetched without reading the rest.

Whoever may choose a URI may read what this process may read: nothing but URIs stored in a collection may come here,
and those come from a source that the person who ran the job named.
"""

import os
import re
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote_to_bytes, urlsplit

import fsspec
from fsspec.spec import AbstractFileSystem

from index.errors import SourceError, UriMissing, UriUnreadable

_RANGE = re.compile(r"(?P<file>.*)#offset=(?P<offset>\d+)&size=(?P<size>\d+)", re.DOTALL)
_LOCAL = "file"


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
    match = _RANGE.fullmatch(uri)
    file, start, size = (match["file"], int(match["offset"]), int(match["size"])) if match else (uri, 0, None)
    end = None if max_bytes is None else start + max_bytes + 1
    if size is not None:
        end = start + size if end is None else min(end, start + size)
    try:
        data = _read(*open_filesystem(file), start, end)
    except FileNotFoundError as error:
        raise UriMissing(f"{file} is not there: bring it back, or index the corpus again") from error
    except OSError as error:
        raise UriUnreadable(f"{file} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # a job boundary: the client of a remote file system raises what it likes, and one address must not end a job
        raise UriUnreadable(f"{file} cannot be read: {error}") from error
    if size is not None and end is not None and len(data) < end - start:
        raise UriUnreadable(f"{uri} reaches behind the end of the file: the tar was cut or replaced, index it again")
    return data


def _read(filesystem: AbstractFileSystem, path: str, start: int, end: int | None) -> bytes:
    if not is_local(filesystem):
        return cast("bytes", filesystem.cat_file(path, start=start or None, end=end))
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(-1 if end is None else end - start)
