"""index.engines.blocks: a source, cut."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.engines.blocks import Block, BlockSource, Sizes, cut, parts_of
from index.errors import SourceError
from index.sources import open_source
from index.sources.item import Source, SourceItem, Unusable, repeated
from tests.index.support import write_pictures, write_table
from tests.support.data import write_tar

ITEMS = st.lists(
    st.one_of(
        st.builds(SourceItem, id=st.sampled_from("abcdef\ud800"), uri=st.sampled_from(["file:///1.png", "file:///2.mp4"])),
        st.builds(Unusable, id=st.just("t:1"), uri=st.just("u"), reason=st.just("bad-row"), detail=st.just("why")),
    ),
    max_size=60,
)  # fmt: skip


class Broken(BlockSource):
    """A source that breaks off after its items."""

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        yield from super().__iter__()
        raise SourceError("the table is cut")


def unique(items: Sequence[SourceItem | Unusable]) -> list[SourceItem | Unusable]:
    """What the plain job makes of repeated ids."""
    seen: set[str] = set()
    found: list[SourceItem | Unusable] = []
    for item in items:
        again = isinstance(item, SourceItem) and item.id in seen
        found.append(repeated(item) if again and isinstance(item, SourceItem) else item)
        seen |= {item.id} if isinstance(item, SourceItem) else set()
    return found


@given(ITEMS, st.integers(1, 40), st.integers(1, 3))
def test_blocks_are_the_source(items: list[SourceItem | Unusable], most: int, step: int) -> None:
    """Together they hold every item once and in order, repeated ids as what they are; numbers and digests follow on."""
    blocks = list(cut(BlockSource(items), 3, Sizes(most, step)))

    assert unique(items) == [item for block in blocks for item in block.items]
    assert list(range(len(blocks))) == [block.number for block in blocks] and {3} == {block.part for block in blocks}
    assert all(earlier.after == later.before for earlier, later in pairwise(blocks))
    assert [False] * (len(blocks) - 1) + [True] == [block.last for block in blocks]
    assert () == blocks[-1].items and all(block.items for block in blocks[:-1])


@given(ITEMS, st.integers(1, 40))
def test_a_source_is_cut_alike_each_time(items: list[SourceItem | Unusable], most: int) -> None:
    """A part that is read again, because its reader was lost, gives the very same blocks."""
    assert list(cut(BlockSource(items), 0, Sizes(most, 2))) == list(cut(BlockSource(items), 0, Sizes(most, 2)))


@given(ITEMS.filter(bool), st.integers(0, 59))
def test_a_changed_source_has_other_digests(items: list[SourceItem | Unusable], at: int) -> None:
    """One item that is another one changes what all later blocks begin with."""
    at %= len(items)
    changed = [*items[:at], SourceItem("new", "file:///new.png"), *items[at + 1 :]]

    before, after = (list(cut(BlockSource(each), 0, Sizes(4, 1)))[-1].before for each in (items, changed))

    assert before != after


def test_a_source_that_breaks_off_says_so_in_its_last_block() -> None:
    """What came before is there, and the reason."""
    items = [SourceItem(str(number), "file:///1.png") for number in range(5)]

    blocks = list(cut(Broken(items), 0, Sizes(4, 1)))

    assert [4, 1, 0] == [len(block.items) for block in blocks]
    assert [None, None, "the table is cut"] == [block.error for block in blocks]


def test_a_video_is_as_much_as_many_pictures() -> None:
    """So that no block takes hours."""
    items = [SourceItem(str(number), "file:///1.mp4") for number in range(4)]

    assert [1, 2, 1, 0] == [len(block.items) for block in cut(BlockSource(items), 0, Sizes(64, 1))]


@given(st.integers(1, 5_000), st.integers(1, 100), st.integers(1, 100), st.integers(0, 10_000))
def test_sizes_grow_up_to_the_bound(most: int, workers: int, parts: int, number: int) -> None:
    """No block is larger than the bound or smaller than the one before it, and a long source reaches the bound."""
    sizes = Sizes.of(most, workers, parts)

    assert 1 <= sizes.of_block(number) <= sizes.of_block(number + 1) <= most
    assert most == sizes.of_block(10**9)


@given(st.integers(1, 64), st.integers(200, 200_000))
def test_no_worker_is_left_with_much_when_the_others_end(workers: int, items: int) -> None:
    """The last block of a source has at most a quarter of each worker's share, or the smallest size."""
    sizes, number, left = Sizes.of(10**9, workers, 1), 0, items
    while left > sizes.of_block(number):
        left -= sizes.of_block(number)
        number += 1

    assert sizes.of_block(number) <= max(32, items / workers / 4)


def test_shards_are_parts_unless_they_share_a_name(tmp_path: Path) -> None:
    """Ids begin with the shard's name: shards of one name belong together, all others may be read beside each other."""
    for name in ("a/0.tar", "a/1.tar", "b/0.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_tar(tmp_path / name, [("x.png", b"")])
    source = open_source(f"{tmp_path}/{{a,b}}/*.tar")

    parts = parts_of(source)

    assert [2, 1] == [len(part.places) for part in parts]
    assert sorted(source.places) == sorted(place for part in parts for place in part.places)


def _sources(root: Path) -> dict[str, Source]:
    write_pictures(root / "images", range(3))
    (root / "t.csv").write_text("path,caption\nimages/000.png,a dog\n")
    write_table(root / "t.jsonl", [{"path": "images/001.png", "captions": ["a"], "n": 1}])
    write_tar(root / "s.tar", [("x.png", b""), ("x.txt", b"a cat")])
    return {name: open_source(str(root / name)) for name in ("images", "t.csv", "t.jsonl", "s.tar")}


def test_other_sources_are_one_part(tmp_path: Path) -> None:
    """A folder and a table are read from their beginning."""
    for name in ("images", "t.csv"):
        source = _sources(tmp_path)[name]
        assert [source] == parts_of(source)


@pytest.mark.parametrize("name", ["images", "t.csv", "t.jsonl", "s.tar"])
def test_every_source_can_travel(tmp_path: Path, name: str) -> None:
    """As Ray sends them: what arrives gives the same items."""
    pickle = pytest.importorskip("ray.cloudpickle", reason="no ray: pip install 'vilem-search[ray]'")
    source = _sources(tmp_path)[name]

    arrived = pickle.loads(pickle.dumps(source))

    assert [*source] == [*arrived] != []


def test_a_block_is_a_source_without_a_place() -> None:
    """The stages of the plain job take it as one."""
    block = Block(0, 0, (SourceItem("a", "file:///a.png"),), b"", b"")
    source: Source = BlockSource(block.items)

    assert (1, [], "", list(block.items)) == (source.count(), source.places, source.uri, [*source])
