"""index.pipeline: reading ahead, in order, in bounded memory."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.collection import Collection
from index.errors import SourceError
from index.options import EmbedOptions
from index.pipeline import Preparation
from index.prepare import Ready, Unchanged
from index.schema import Reject
from index.sources import open_source
from index.sources.item import SourceItem, Unusable
from models.bundle import Prepared
from models.decode import DecodeLimits
from tests.index.support import CountingBundle, collection_for, counting, run_job, write_pictures


class Stream:
    """A source of whatever a function yields."""

    uri = "stream:"

    def __init__(self, items: Callable[[], Iterator[SourceItem | Unusable]]) -> None:
        self._items = items
        self.places: list[str] = []

    def __iter__(self) -> Iterator[SourceItem | Unusable]:
        return self._items()

    def count(self) -> int | None:
        """Not known."""
        return None


# no scheme here opens a connection, whatever is installed
SCHEMES = (
    "",
    "file://",
    "memory://",
    "zip://",
    "zip://a::file://",
    "simplecache::file://",
    "tar://",
    "nope://",
    "data:",
)
TEXT = st.text(st.characters(codec=None), max_size=20)
PATHS = st.builds(
    str.__add__, st.sampled_from(SCHEMES), TEXT | st.sampled_from(["000.png", "[bad/a", "a\0b", "/dev/null"])
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
ROWS = st.dictionaries(st.sampled_from(["id", "caption", "captions", "x"]) | TEXT, VALUES, max_size=4)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(PATHS | VALUES, ROWS, st.sampled_from([0, 0, 60, 63, 100, 900, 5_000])), max_size=8),
    st.binary(max_size=40).filter(lambda data: b"\n" not in data and data.strip()),
)
def test_any_line_of_jsonl_is_a_row_or_a_reject(
    tmp_path: Path, tiny_bundle: Path, rows: list[tuple[object, dict[str, object], int]], garbage: bytes
) -> None:
    """Whatever stands on a line, deep, undecodable or an address of nothing, the job goes on to the last line."""
    write_pictures(tmp_path, [0])
    lines = [
        json.dumps({**row, "path": path, "deep": "DEEP"}).replace('"DEEP"', "[" * depth + "1" + "]" * depth).encode()
        for path, row, depth in rows
    ]
    (tmp_path / "t.jsonl").write_bytes(b"\n".join([*lines, garbage, b'{"path": "000.png", "id": "the last"}\n']))
    bundle = counting(tiny_bundle)
    collection = Collection.open(tmp_path, "test") if (tmp_path / "test").exists() else collection_for(bundle, tmp_path)
    with Preparation(open_source(str(tmp_path / "t.jsonl")), collection, bundle, EmbedOptions()) as ahead:
        found = list(ahead.outcomes())
    assert len(rows) + 2 == len(found)
    assert all(isinstance(outcome, Ready | Reject) for outcome in found)
    assert "the last" in [outcome.record.id if isinstance(outcome, Ready) else outcome.id for outcome in found[-1:]]


def _settle(value: Callable[[], int]) -> int:
    """The value once it no longer grows."""
    before = -1
    while before != (now := value()):
        before = now
        time.sleep(0.3)
    return now


@pytest.mark.parametrize("readers", [1, 4])
def test_outcomes_come_in_the_order_of_the_source(tmp_path: Path, tiny_bundle: Path, readers: int) -> None:
    """However many threads read, the items arrive as the source lists them."""
    names = write_pictures(tmp_path / "images", range(40))
    bundle = counting(tiny_bundle)
    options = EmbedOptions(readers=readers, window=8)
    with Preparation(open_source(str(tmp_path / "images")), collection_for(bundle, tmp_path), bundle, options) as ahead:
        assert names == [outcome.record.id for outcome in ahead.outcomes() if isinstance(outcome, Ready)]


def test_no_more_than_the_window_is_in_flight(tmp_path: Path, tiny_bundle: Path) -> None:
    """While nobody takes outcomes, at most the window and one more are read, from a source without end."""
    write_pictures(tmp_path, [1])
    uri = (tmp_path / "001.png").as_uri()
    listed = 0

    def endless() -> Iterator[SourceItem]:
        nonlocal listed
        while True:
            listed += 1
            yield SourceItem(str(listed), uri)

    bundle = counting(tiny_bundle)
    window, taken = 10, 5
    with Preparation(
        Stream(endless), collection_for(bundle, tmp_path), bundle, EmbedOptions(window=window, readers=3)
    ) as ahead:
        outcomes = ahead.outcomes()
        for _ in range(taken):
            next(outcomes)
        assert taken + window <= _settle(lambda: bundle.prepared) <= taken + window + 1
        # the listing runs ahead by one block of look-ups
        assert listed <= 256 + taken + window + 1
    assert not any(thread.name == "feeder" for thread in threading.enumerate())


def test_an_id_counts_once(tmp_path: Path, tiny_bundle: Path) -> None:
    """The first item of an id is taken, later ones are rejected, wherever they stand."""
    write_pictures(tmp_path, range(3))
    uris = [(tmp_path / f"00{number}.png").as_uri() for number in range(3)]
    bundle = counting(tiny_bundle)

    def items() -> Iterator[SourceItem]:
        for number in range(600):
            yield SourceItem("same" if number in (3, 500) else str(number), uris[number % 3])

    with Preparation(Stream(items), collection_for(bundle, tmp_path), bundle, EmbedOptions()) as ahead:
        rejects = [outcome for outcome in ahead.outcomes() if isinstance(outcome, Reject)]
    assert [("same", uris[2], "duplicate-id")] == [(each.id, each.uri, each.reason) for each in rejects]


def test_ids_that_cannot_be_looked_up_are_only_rejected(tmp_path: Path, tiny_bundle: Path) -> None:
    """A lone surrogate in an id reaches no query, also when the collection has rows."""
    write_pictures(tmp_path / "images", range(2))
    bundle = counting(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    run_job(collection, open_source(str(tmp_path / "images")), bundle)
    uri = (tmp_path / "images/000.png").as_uri()
    items = [SourceItem("\ud800", uri), SourceItem("000.png", uri), Unusable("x", "u", "bad-row", "why")]
    with Preparation(Stream(lambda: iter(items)), collection, bundle, EmbedOptions()) as ahead:
        found = list(ahead.outcomes())
    assert isinstance(found[0], Reject) and "bad-id" == found[0].reason
    assert Unchanged("000.png") == found[1]
    assert isinstance(found[2], Reject) and ("bad-row", "why") == (found[2].reason, found[2].detail)


@pytest.mark.parametrize("error", [SourceError("cut"), RuntimeError("a bug")])
def test_a_source_that_breaks_off_is_heard_of(tmp_path: Path, tiny_bundle: Path, error: Exception) -> None:
    """What came before is handed out, then the source's error is raised where the job runs."""
    write_pictures(tmp_path, [1])

    def items() -> Iterator[SourceItem]:
        yield SourceItem("a", (tmp_path / "001.png").as_uri())
        # the block of look-ups is filled before anything is read
        yield from (SourceItem(str(number), "file:///nowhere") for number in range(255))
        raise error

    bundle = counting(tiny_bundle)
    with Preparation(Stream(items), collection_for(bundle, tmp_path), bundle, EmbedOptions()) as ahead:
        outcomes = ahead.outcomes()
        assert isinstance(next(outcomes), Ready)
        with pytest.raises(type(error), match=str(error)):
            list(outcomes)


def test_a_fault_of_ours_is_not_a_reject(tmp_path: Path, tiny_bundle: Path) -> None:
    """An error that is not about the image ends the job instead of hiding in the rejects table."""

    class Broken(CountingBundle):
        def prepare_sized(self, data: bytes, limits: DecodeLimits = DecodeLimits()) -> Prepared:
            raise ZeroDivisionError

    write_pictures(tmp_path / "images", [1])
    bundle = Broken.open(tiny_bundle)
    with Preparation(
        open_source(str(tmp_path / "images")), collection_for(bundle, tmp_path), bundle, EmbedOptions()
    ) as ahead:
        with pytest.raises(ZeroDivisionError):
            list(ahead.outcomes())
