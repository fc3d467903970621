"""A process that writes to a collection until it is killed, and what must be there afterwards.

The writer tells on its standard output what it begins and what was acknowledged. Whoever kills it reads that to the end:
an acknowledged change is there, once; one that was begun and not acknowledged is there whole or not at all; nothing else
is there.
"""

import json
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.live.writes import Change, Put, Remove, apply
from index.maintenance import tidy
from index.publish import publish
from index.schema import Record
from index.searcher import Searcher
from index.vectors import unit
from index.versions import remove_old_versions
from tests.support.forked import run_code

NAME = "crash"
DIM = 16
IDS = 400
OURS = "0" * 64


def vector_of(number: int) -> np.ndarray:
    """The vector (d,) that an item has as its *number*-th version."""
    vector = np.random.default_rng(number).normal(size=DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def made(root: Path) -> Collection:
    """An empty collection, published: a service would serve it."""
    collection = Collection.create(root, NAME, dim=DIM, bundle_digest=OURS, bundle_name="none")
    publish(collection)
    return collection


def put(item: int, number: int) -> Put:
    """An item as its *number*-th version, with a caption."""
    vector = vector_of(number)
    record = Record(f"item-{item}", "", f"{number}", 0, 0, (f"text {number}",), {"number": number})
    return Put(record, vector, vector[None], OURS)


def write_until_killed(root: Path, seed: int) -> None:
    """Write, remove, merge, publish and clean up in random order, telling each step before and after."""
    chance, number = random.Random(seed), seed * 100_000
    while True:
        kind = chance.choices(("write", "tidy", "publish", "clean"), (12, 2, 2, 1))[0]
        if kind != "write":
            _tell("begin", kind, {})
            collection = Collection.open(root, NAME)
            _JOBS[kind](collection)
            _tell("done", kind, {})
            continue
        items = chance.sample(range(IDS), chance.randint(1, 8))
        changes: list[Change] = []
        wanted: dict[str, int | None] = {}
        for item in items:
            number += 1
            removes = chance.random() < 0.3
            changes.append(Remove(f"item-{item}") if removes else put(item, number))
            wanted[f"item-{item}"] = None if removes else number
        _tell("begin", kind, wanted)
        apply(Collection.open(root, NAME), changes)
        _tell("done", kind, wanted)


_JOBS: Mapping[str, Callable[[Collection], object]] = {
    "tidy": lambda collection: tidy(collection, 3),
    "publish": publish,
    "clean": remove_old_versions,
}


def _tell(what: str, kind: str, items: Mapping[str, int | None]) -> None:
    # one write of one line: a kill leaves it whole or unsaid
    sys.stdout.write(json.dumps([what, kind, items]) + "\n")
    sys.stdout.flush()


@dataclass
class Truth:
    """What must be in the collection.

    Attributes:
        items: number of each item's version that was acknowledged.
        open: what was begun and not acknowledged: the number that an item may have got, None = removed.
        killed_in: how often a kill met which kind of step.
    """

    items: dict[str, int] = field(default_factory=dict[str, int])
    open: dict[str, int | None] = field(default_factory=dict[str, "int | None"])
    killed_in: dict[str, int] = field(default_factory=dict[str, int])

    def follow(self, lines: list[str]) -> None:
        """Take up what a writer told before it was killed."""
        inside = "the start"
        for line in lines:
            what, kind, items = json.loads(line)
            if what == "begin":
                self.open, inside = items, kind
                continue
            self.items |= {item: number for item, number in items.items() if number is not None}
            for item in [item for item, number in items.items() if number is None]:
                self.items.pop(item, None)
            self.open, inside = {}, "nothing"
        self.killed_in[inside] = self.killed_in.get(inside, 0) + 1

    def check(self, root: Path) -> None:
        """Compare with the collection as a service finds it; what was left open is settled by what is there.

        Raises:
            AssertionError: something is lost, there twice, half there, or cannot be searched.
        """
        collection = Collection.open(root, NAME)
        table = collection.items.to_table(columns=["id", "sha256", "captions"])
        ids = table["id"].to_pylist()
        assert len(ids) == len(set(ids)), "an item is there twice"
        there = dict(zip(ids, (int(sha256) for sha256 in table["sha256"].to_pylist()), strict=True))
        self._settle(there)
        assert self.items == there, _difference(self.items, there)
        for item, captions in zip(ids, table["captions"].to_pylist(), strict=True):
            assert [f"text {there[item]}"] == captions, f"{item} has captions {captions} of another version"
        self._search(root)

    def _settle(self, there: Mapping[str, int]) -> None:
        for item, number in self.open.items():
            if number is None and item not in there:
                self.items.pop(item, None)
            elif number is not None and there.get(item) == number:
                self.items[item] = number
        self.open = {}

    def _search(self, root: Path) -> None:
        searcher = Searcher.open(root, NAME)
        assert len(self.items) == searcher.count, f"{searcher.count} items can be found of {len(self.items)}"
        if not self.items:
            return
        chosen = list(self.items.items())[:: max(1, len(self.items) // 32)]
        queries = unit(np.stack([vector_of(number) for _, number in chosen]))
        for target in ("images", "texts"):
            found = searcher.search(queries, [1] * len(chosen), target)
            assert [item for item, _ in chosen] == [hits[0].id for hits in found], f"{target} do not find themselves"


def _difference(wanted: Mapping[str, int], there: Mapping[str, int]) -> str:
    lost = {item: number for item, number in wanted.items() if there.get(item) != number}
    more = {item: number for item, number in there.items() if wanted.get(item) != number}
    return f"acknowledged and not there: {lost}; there and not acknowledged: {more}"


def kill_once(root: Path, seed: int, truth: Truth, after_s: float) -> None:
    """Let a writer run, kill it by SIGKILL *after_s* seconds of writing, and take up what it told."""
    writer = run_code("from tests.support.crash import main; main()", str(root), str(seed))
    lines = [writer.stdout.readline()]
    time.sleep(after_s)
    writer.process.kill()
    status, rest = writer.end()
    lines += rest.splitlines(keepends=True)
    assert -signal.SIGKILL == status, f"the writer failed by itself after {lines[-1:]}"
    truth.follow([line for line in lines if line.endswith("\n")])


def main() -> None:
    """The writer."""
    write_until_killed(Path(sys.argv[1]), int(sys.argv[2]))
