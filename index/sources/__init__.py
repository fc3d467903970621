"""Where items come from: `open_source` picks the reader, `read_uri` fetches what a reader found."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from fsspec.spec import AbstractFileSystem

from index.errors import SourceError
from index.sources.folder import FolderSource, is_item_name
from index.sources.item import Source, SourceItem, Unusable
from index.sources.table import READERS, TableSource
from index.sources.uri import open_filesystem, read_uri
from index.sources.webdataset import WebDatasetSource

__all__ = ["Source", "SourceItem", "Unusable", "open_source", "read_uri"]

_BRACES = re.compile(r"(?P<before>.*?)\{(?P<inside>[^{}]*)\}(?P<after>.*)", re.DOTALL)
_RANGE = re.compile(r"(?P<first>\d+)\.\.(?P<last>\d+)")


def open_source(url: str, *, root: str | None = None) -> Source:
    """The reader for what lies at *url*, a path or any URL that fsspec knows.

    A folder is a tree of images and videos, or of tar shards when those lie directly in it. `.jsonl`, `.ndjson`, `.csv`,
    `.tsv` and `.parquet` are tables. `.tar`, also as a glob or with braces (`train-{000..007}.tar`), is WebDataset.

    Args:
        url: where.
        root: for tables: where relative paths start; the default is the table's folder.

    Raises:
        SourceError: nothing is there, or of no known kind.
    """
    suffix = PurePosixPath(url).suffix.lower()
    if root is not None and suffix not in READERS:
        raise SourceError(f"a root is for tables, and {url} is none: leave it out")
    if suffix == ".tar":
        return WebDatasetSource(*_shards(url))
    filesystem, path = open_filesystem(url)
    if filesystem.isdir(path):
        return _open_folder(url, filesystem, path)
    if not filesystem.exists(path):
        raise SourceError(f"{url} is not there: give a folder, a table or tar shards")
    if suffix in READERS:
        return TableSource(url, root=root)
    raise SourceError(f"{url} is of no known kind: give a folder of images or videos, {', '.join(READERS)} or .tar")


def _open_folder(url: str, filesystem: AbstractFileSystem, path: str) -> Source:
    names = sorted(str(name) for name in filesystem.ls(path, detail=False))
    tars = [name for name in names if name.endswith(".tar")]
    if not tars:
        return FolderSource(url)
    if any(is_item_name(name) for name in names):
        raise SourceError(
            f"{url} holds images or videos beside tar shards: name the shards ({url.rstrip('/')}/*.tar), or part them"
        )
    return WebDatasetSource(filesystem, tars)


def _shards(url: str) -> tuple[AbstractFileSystem, list[str]]:
    """The file system and the paths that a URL with braces or a glob stands for, sorted within each glob.

    Raises:
        SourceError: one is not there, or the glob finds none.
    """
    paths: list[str] = []
    filesystem, _ = open_filesystem(url)
    for each in _expand(url):
        filesystem, path = open_filesystem(each)
        if any(character in path for character in "*?["):
            found = sorted(str(name) for name in filesystem.glob(path))
        else:
            found = [path] if filesystem.isfile(path) else []
        if not found:
            raise SourceError(f"{each} is not there: check the path")
        paths.extend(found)
    return filesystem, paths


def _expand(text: str) -> Iterator[str]:
    """Every string that the braces in *text* stand for: `{a,b}`, `{000..007}`."""
    match = _BRACES.fullmatch(text)
    if match is None:
        yield text
        return
    span = _RANGE.fullmatch(match["inside"])
    if span:
        width = len(span["first"])
        parts = [f"{number:0{width}d}" for number in range(int(span["first"]), int(span["last"]) + 1)]
    else:
        parts = match["inside"].split(",")
    for part in parts:
        yield from _expand(match["before"] + part + match["after"])
