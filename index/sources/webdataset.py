"""WebDataset: tar shards in which `KEY.jpg` or `KEY.mp4`, `KEY.json` and `KEY.txt` stand together."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO

from fsspec.spec import AbstractFileSystem

from index.sources.item import IMAGE_SUFFIXES, SourceItem, Unusable, split_fields
from index.sources.uri import is_local, member_uri, open_binary, uri_of
from models.video.names import is_video_name

# of a KEY.json or KEY.txt; metadata and captions are limited much lower
_MAX_TEXT_BYTES = 1 << 20
# What reading a tar ends in that is cut, damaged, or made to do harm: the module parses numbers of extended headers as
# they come, and follows each long name before a member by a call within the call.
_DAMAGE = (OSError, tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError)


@dataclass
class _Sample:
    """Members of one key: where the image or the video lies, and the texts beside it."""

    key: str
    image: tuple[int, int] | None = None
    video: tuple[int, int] | None = None
    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])


class WebDatasetSource:
    """The samples of tar shards, shard by shard.

    An item's id is `shard/KEY`: the shard's name, and the member's path up to the first dot of its name. Many corpora
    number the samples of each shard anew, and an id must not depend on which shards are read together. `KEY.json` gives
    captions (`caption`, `captions`) and metadata, `KEY.txt` one more caption.
    """

    def __init__(self, filesystem: AbstractFileSystem, shards: list[str]) -> None:
        self._filesystem = filesystem
        self._shards = shards

    @property
    def shards(self) -> list[str]:
        """Paths of the shards."""
        return list(self._shards)

    def only(self, shards: list[str]) -> "WebDatasetSource":
        """The same with no others than those of its shards."""
        return WebDatasetSource(self._filesystem, shards)

    @property
    def uri(self) -> str:
        """The first shard's URI, with how many follow."""
        first = uri_of(self._filesystem, self._shards[0])
        return first if len(self._shards) == 1 else f"{first} (+{len(self._shards) - 1})"

    @property
    def places(self) -> list[str]:
        """The URI of each shard."""
        return [uri_of(self._filesystem, shard) for shard in self._shards]

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        for shard, uri in zip(self._shards, self.places, strict=True):
            path = PurePosixPath(shard)
            try:
                for sample in self._samples(shard):
                    yield _item(sample, f"{path.stem}/{sample.key}", uri)
            except _DAMAGE as error:
                detail = f"the tar cannot be read to its end ({error}): copy it again, uncompressed"
                yield Unusable(id=path.name, uri=uri, reason="unreadable-file", detail=detail)

    def count(self) -> int | None:
        """Number of images and videos; None on a remote file system, where that would read every shard."""
        if not is_local(self._filesystem):
            return None
        try:
            return sum(
                1
                for shard in self._shards
                for sample in self._samples(shard, texts=False)
                if sample.image or sample.video
            )
        except _DAMAGE:
            return None

    def _samples(self, shard: str, *, texts: bool = True) -> Iterator[_Sample]:
        sample: _Sample | None = None
        with open_binary(self._filesystem, shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in _members(tar, file):
                key, suffix = _split_name(member.name)
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield sample
                    sample = _Sample(key)
                if suffix in IMAGE_SUFFIXES and sample.image is None:
                    sample.image = member.offset_data, member.size
                elif is_video_name(f"a{suffix}") and sample.video is None:
                    sample.video = member.offset_data, member.size
                elif suffix in (".json", ".txt") and texts:
                    content = tar.extractfile(member)
                    sample.texts[suffix] = content.read(_MAX_TEXT_BYTES + 1) if content else b""
        if sample is not None:
            yield sample


def _members(tar: tarfile.TarFile, file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Plain files of a tar.

    Raises:
        tarfile.ReadError: it does not end as a tar ends.
    """
    while (member := tar.next()) is not None:
        # the module remembers every member it has seen: a shard of millions would fill the memory
        # (an attribute that the type stubs do not know)
        vars(tar)["members"] = []
        if member.isreg() and not member.issparse() and not PurePosixPath(member.name).name.startswith("."):
            yield member
    # The module takes a header that is cut or damaged for the end. The true end is a block of zeros.
    file.seek(tar.offset)
    if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"no end mark at byte {tar.offset}")


def _split_name(name: str) -> tuple[str, str]:
    """Key and suffix of a member: its path up to the first dot of its name, and the rest in lower case."""
    path = PurePosixPath(name)
    stem, dot, rest = path.name.partition(".")
    return (path.parent / stem).as_posix(), (dot + rest).lower()


def _item(sample: _Sample, item_id: str, uri: str) -> SourceItem | Unusable:
    # where both are there, the picture is the item: it was before videos could be
    place = sample.image or sample.video
    if place is None:
        detail = "the sample has no image and no video, or one of an unknown suffix: add it to the shard"
        return Unusable(id=item_id, uri=uri, reason="missing-file", detail=detail)
    image_uri = member_uri(uri, *place)
    try:
        fields = _fields(sample.texts)
        captions, metadata = split_fields(fields)
    except (ValueError, TypeError, RecursionError) as error:
        return Unusable(id=item_id, uri=image_uri, reason="bad-row", detail=f"the texts beside it: {error}")
    video = sample.image is None
    return SourceItem(id=item_id, uri=image_uri, captions=captions, metadata=metadata, video=video)


def _fields(texts: dict[str, bytes]) -> dict[str, object]:
    """What KEY.json holds, with KEY.txt as one more caption.

    Raises:
        ValueError: too long, not UTF-8, not JSON, or not an object.
    """
    if any(len(content) > _MAX_TEXT_BYTES for content in texts.values()):
        raise ValueError(f"more than {_MAX_TEXT_BYTES} bytes")
    fields: dict[str, object] = {}
    if ".json" in texts:
        loaded = json.loads(texts[".json"])
        if not isinstance(loaded, dict):
            raise ValueError("the JSON is not an object")
        fields.update(loaded)
    if ".txt" in texts:
        # after those of the JSON: split_fields keeps the order of the fields
        fields["caption"] = [*_listed(fields.pop("caption", None)), texts[".txt"].decode()]
    return fields


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
