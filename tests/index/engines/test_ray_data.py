"""index.engines.ray_data, without a cluster: what is sent, and what comes back."""

import pickle
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="no ray: pip install 'vilem-search[ray]'")

from index.engines.blocks import BlockSource, Sizes, cut
from index.engines.job import Work
from index.engines.ray_data import _Actor, _Parts, _pickled
from index.errors import BundleMismatch, ItemInvalid
from index.options import EmbedOptions
from index.sources.item import SourceItem
from models.bundle import Bundle
from tests.index.support import collection_for
from tests.support.tiny_bundle import make_tiny_bundle

ITEMS = [SourceItem(f"{number}\ud800", "file:///x.png", metadata={"n": float("nan")}) for number in range(5)]


def test_each_part_is_read_by_one_task() -> None:
    """Block by block, one to a table, whatever Ray asks for; also what no Arrow type holds arrives, to be rejected."""
    parts = [BlockSource(ITEMS), BlockSource([])]

    tasks = _Parts(list(parts), Sizes(2, 1)).get_read_tasks(200)

    found = [[pickle.loads(table["block"][0].as_py()) for table in task()] for task in tasks]
    assert [repr(list(cut(part, number, Sizes(2, 1)))) for number, part in enumerate(parts)] == [
        repr(part) for part in found
    ]


def test_an_error_of_a_worker_comes_back_as_itself(tmp_path: Path, tiny_bundle: Path) -> None:
    """With the place where it arose, instead of Ray's words for it."""
    bundle = Bundle.open(tiny_bundle)
    collection_for(bundle, tmp_path)
    other = make_tiny_bundle(tmp_path / "other", seed=1)
    work = Work(tmp_path, "test", "g0", other, bundle.digest, tmp_path, EmbedOptions(patches=False))
    (block, *_) = cut(BlockSource(ITEMS), 0, Sizes(8, 1))

    report = _Actor(work)({"block": pickle.dumps(block)})

    error = pickle.loads(report["report"])
    assert isinstance(error, BundleMismatch) and "another bundle on a worker" in str(error)
    assert "Traceback" in error.__notes__[0]


def test_an_error_that_cannot_travel_is_told_by_its_words() -> None:
    """Some ask for arguments that a copy does not have."""
    error = pickle.loads(_pickled(ItemInvalid("bad-id", "the id is empty")))

    assert isinstance(error, RuntimeError) and "ItemInvalid: the id is empty" == str(error)
