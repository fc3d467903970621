"""index.filters.steering: a guess at how many rows a range holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from index.filters import steering as module
from index.filters.nodes import Bound
from index.filters.steering import part_between, tree_columns

ROWS = 20_000


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test looks for itself."""
    monkeypatch.setattr(module, "_kept", {})


def dataset(folder: Path) -> lance.LanceDataset:
    """Skewed numbers, with nulls; times; and texts."""
    dice = np.random.default_rng(0)
    numbers = [None if at % 4 == 0 else float(value) for at, value in enumerate(dice.lognormal(0, 3, ROWS))]
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    columns: dict[str, Any] = {
        "number": numbers,
        "time": [begin + timedelta(minutes=at) for at in range(ROWS)],
        "text": [f"{at:05d}" for at in range(ROWS)],
    }
    return lance.write_dataset(pa.table(columns), folder / "items.lance")


def test_a_guess_is_near(tmp_path: Path) -> None:
    """Within 2 % of all rows, for numbers however skewed, for times and for texts, with open ends; nulls lie nowhere."""
    items = dataset(tmp_path)
    numbers = items.to_table(columns=["number"])["number"].to_numpy()
    for low, high in ((None, 1.0), (1.0, None), (0.01, 0.1), (-5.0, -1.0), (1e9, None), (None, None)):
        ends = (
            None if low is None else Bound(low, inclusive=True),
            None if high is None else Bound(high, inclusive=True),
        )
        truth = (
            (numbers >= (-np.inf if low is None else low)) & (numbers <= (np.inf if high is None else high))
        ).mean()
        assert abs(truth - part_between(items, "number", *ends)) < 0.02
    half = Bound(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=ROWS // 2), inclusive=False)
    assert abs(0.5 - part_between(items, "time", half, None)) < 0.02
    assert abs(0.1 - part_between(items, "text", None, Bound("02000", inclusive=True))) < 0.02


def test_a_column_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guess comes from what was seen before, at any version, until the rows have doubled."""
    items = dataset(tmp_path)
    looks: list[str] = []
    sample = module._sample
    monkeypatch.setattr(
        module, "_sample", lambda items, column, rows: (looks.append(column), sample(items, column, rows))[1]
    )
    for _ in range(3):
        part_between(items, "number", None, Bound(1.0, inclusive=True))
    items = lance.write_dataset(
        pa.table({"number": [1.0], "time": [None], "text": [None]}, items.schema), items, mode="append"
    )
    part_between(items, "number", None, Bound(1.0, inclusive=True))
    assert ["number"] == looks
    items = lance.write_dataset(items.to_table(), items, mode="append")
    part_between(items, "number", None, Bound(1.0, inclusive=True))
    assert ["number", "number"] == looks


def test_few_columns_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: the oldest goes."""
    monkeypatch.setattr(module, "_MAX_KEPT", 2)
    items = dataset(tmp_path)
    for column, value in (("number", 1.0), ("text", "1"), ("time", datetime(2024, 1, 2, tzinfo=UTC)), ("number", 1.0)):
        part_between(items, column, None, Bound(value, inclusive=True))
        assert len(module._kept) <= 2


def test_a_column_of_nulls_holds_nothing(tmp_path: Path) -> None:
    """And a dataset without rows does not either."""
    items = lance.write_dataset(pa.table({"n": pa.array([None, None], pa.int64())}), tmp_path / "nulls.lance")
    empty = lance.write_dataset(pa.table({"n": pa.array([], pa.int64())}), tmp_path / "empty.lance")
    assert 0 == part_between(items, "n", None, None) == part_between(empty, "n", Bound(1, inclusive=True), None)


def test_a_column_that_comes_again_is_another(tmp_path: Path) -> None:
    """A field that was dropped and added with another type is not compared with its old values."""
    items = lance.write_dataset(pa.table({"n": [1, 2], "m": [1, 2]}), tmp_path / "items.lance")
    assert 1 == part_between(items, "n", None, Bound(2, inclusive=True))
    items.drop_columns(["n"])
    items.add_columns({"n": "'x'"})
    items = items.checkout_version(items.latest_version)
    assert 1 == part_between(items, "n", None, Bound("x", inclusive=True))


def test_trees_are_told_from_other_indexes(tmp_path: Path) -> None:
    """Bitmaps are fast for many rows too."""
    items = dataset(tmp_path)
    items.create_scalar_index("number", "BTREE")
    items.create_scalar_index("text", "BITMAP")
    assert {"number"} == tree_columns(items.checkout_version(items.latest_version))
