"""Live writes, merging, publishing and cleaning under kill -9; `python -m benchmarks.crash` does so hundreds of times."""

import random
from pathlib import Path

import pytest

from index.collection import Collection
from index.live.writes import apply
from tests.support.crash import NAME, Truth, kill_once, made, put

KILLS = 5


def test_what_was_acknowledged_is_there_once(tmp_path: Path) -> None:
    """Killed at random moments, over and over: nothing acknowledged is lost, nothing half there, and searches answer."""
    made(tmp_path)
    truth, chance = Truth(), random.Random(0)
    for seed in range(KILLS):
        kill_once(tmp_path, seed + 1, truth, chance.uniform(0.2, 2.0))
        truth.check(tmp_path)

    assert truth.items


def test_the_check_notices_what_is_lost(tmp_path: Path) -> None:
    """A row that disappears without a removal, or comes without a write, does not pass."""
    made(tmp_path)
    truth = Truth()
    apply(Collection.open(tmp_path, NAME), [put(1, 100_001), put(2, 100_002)])
    truth.items = {"item-1": 100_001, "item-2": 100_002, "item-3": 100_003}
    with pytest.raises(AssertionError, match=r"not there: .*item-3"):
        truth.check(tmp_path)
    truth.items = {"item-1": 100_001}
    with pytest.raises(AssertionError, match=r"not acknowledged: .*item-2"):
        truth.check(tmp_path)
