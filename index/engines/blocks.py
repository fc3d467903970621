"""A source, cut into blocks that workers embed one by one; which items belong to which block is the same each time."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from index.errors import SourceError
from index.sources.item import Source, SourceItem, Unusable, repeated
from index.sources.seen import SeenStrings
from index.sources.webdataset import WebDatasetSource

# A block becomes a row of a table on its way, a file when it is written: the first ones are small, so that all workers have
# some of a small source, and no worker is left with a large one when the others have ended.
_FIRST_ITEMS = 32
_BLOCKS_BEFORE_DOUBLING = 8
# A video is decoded for as long as so many pictures are.
_VIDEO_ITEMS = 32


@dataclass(frozen=True)
class Block:
    """Some items of a source, in its order.

    Attributes:
        part: which of the parts that are read beside each other.
        number: of the block in its part, from 0.
        items: what is to be embedded; empty once that is done, and in the last block.
        before: digest of all items of the part that come before.
        after: digest that includes its own items: the next block's `before`.
        last: it ends its part.
        error: why the part ends before its end.
    """

    part: int
    number: int
    items: tuple[SourceItem | Unusable, ...]
    before: bytes
    after: bytes
    last: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Sizes:
    """How many items the blocks of one part have: few in the first ones, and at most *most*, a video for 32.

    Attributes:
        most: items of a block.
        step: blocks of one size, before the next has twice as many.
    """

    most: int
    step: int

    @classmethod
    def of(cls, most: int, workers: int, parts: int) -> "Sizes":
        """For so many workers, and parts that are read beside each other."""
        return cls(most, max(1, _BLOCKS_BEFORE_DOUBLING * workers // parts))

    def of_block(self, number: int) -> int:
        """Items of the *number*-th block."""
        # a shift by more than any size has bits would only make a large number
        return min(self.most, _FIRST_ITEMS << min(number // self.step, 32))


class BlockSource:
    """The items of one block, for the stages of the plain job."""

    def __init__(self, items: Sequence[SourceItem | Unusable]) -> None:
        self._items = items

    @property
    def uri(self) -> str:
        """A block has no place of its own."""
        return ""

    @property
    def places(self) -> list[str]:
        """None: faults that bear no item's URI are the whole source's."""
        return []

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        return iter(self._items)

    def count(self) -> int:
        """Number of items."""
        return len(self._items)


def parts_of(source: Source) -> list[Source]:
    """Parts of a source that can be read beside each other: no id is in two of them.

    Shards of one name in different folders share ids, so they are one part.
    """
    if not isinstance(source, WebDatasetSource):
        return [source]
    by_name: dict[str, list[str]] = {}
    for shard in source.shards:
        by_name.setdefault(PurePosixPath(shard).stem, []).append(shard)
    return [source.only(shards) for shards in by_name.values()]


@dataclass
class _Cut:
    """The block that is being filled."""

    number: int = 0
    items: list[SourceItem | Unusable] = field(default_factory=list[SourceItem | Unusable])
    weight: int = 0

    def add(self, item: SourceItem | Unusable) -> None:
        self.items.append(item)
        self.weight += _VIDEO_ITEMS if isinstance(item, SourceItem) and item.is_video else 1


def cut(source: Source, part: int, sizes: Sizes) -> Iterator[Block]:
    """The blocks of one part, and a last one without items that ends it.

    An id that an earlier item of the part has makes an item unusable, as in the plain job. A source that breaks off gives
    what came before, and the last block says why.
    """
    digest = hashlib.blake2b(digest_size=16)
    before, error, filling = digest.digest(), None, _Cut()

    def block() -> Block:
        return Block(part, filling.number, tuple(filling.items), before, digest.digest())

    with SeenStrings() as seen:
        items = iter(source)
        while True:
            try:
                item = next(items, None)
            except SourceError as fault:
                item, error = None, str(fault)
            if item is None:
                break
            digest.update(repr((item.id, item.uri)).encode("utf-8", "surrogatepass"))
            filling.add(repeated(item) if isinstance(item, SourceItem) and not seen.add(item.id) else item)
            if filling.weight >= sizes.of_block(filling.number):
                yield block()
                before, filling = digest.digest(), _Cut(filling.number + 1)
    if filling.items:
        yield block()
        before, filling = digest.digest(), _Cut(filling.number + 1)
    yield Block(part, filling.number, (), before, before, last=True, error=error)
