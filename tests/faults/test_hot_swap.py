"""Snapshots and models change under load; `python -m benchmarks.hot_swap` does it a hundred times."""

from pathlib import Path

from benchmarks.hot_swap import under_load
from tests.index.reindex.support import make_home, make_models

SWAPS = 2


def test_versions_change_under_load(tmp_path: Path) -> None:
    """Published and given another model in turn: no search fails, and each answer is one that a single version gives."""
    home = make_home(tmp_path, make_models(tmp_path / "models"))

    answers, seen = under_load(home, tmp_path / "log", SWAPS, clients=2)

    assert SWAPS == seen
    assert [] == answers.failed
    assert [] == answers.inconsistent
    assert len({model for _, model, _ in answers.found}) == 2
    assert len(answers.models) >= SWAPS
