"""Processes that train together are one process with the joint batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.training.checkpoint import CheckpointUnreadable, resume
from models.training.ranks import ALONE, Ranks, join
from models.training.recipe import RecipeError
from tests.models.training.tiny import distance, tiny_recipe, tiny_trainer, weights
from tests.models.training.two_processes import LATE, MEMORY, TAGGING

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes, which met by gloo, left their results in."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.models.training.two_processes", str(folder)]
    running = [
        subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, **where, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for process in running:
        _, said = process.communicate(timeout=110)
        assert 0 == process.returncode, said
    return folder


def _read(met: Path, name: str, rank: int) -> dict:
    return json.loads((met / f"{name}-{rank}.json").read_text())


@pytest.mark.parametrize("chunk", [0, 3])
def test_two_processes_train_as_one(met: Path, chunk: int) -> None:
    """After six steps the weights of two processes are equal, and those of one with the joint batch within 1e-5.

    With hard negatives, a queue, soft targets, weights of pairs, tagging and late interaction, whose texts differ in length: all of them are of the joint batch.
    """
    alone = tiny_trainer(tiny_recipe(ema=0.9, contrastive=MEMORY, late=LATE, tagging=TAGGING), per_caption=2)
    expected = [step.parts for step in alone.run()]

    first, second = (torch.load(met / f"chunk{chunk}-{rank}.pt", weights_only=True) for rank in range(2))

    assert 0.0 == distance(first, second)
    assert distance(first, weights(alone)) < 1e-5
    for rank in range(2):
        for one, other in zip(expected, _read(met, f"chunk{chunk}", rank), strict=True):
            assert pytest.approx(one, abs=1e-4) == other


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="a process's threads are read from /proc")
def test_no_thread_of_the_exchange_outlives_it(met: Path) -> None:
    """Gloo's threads are gone when the processes have left: one that still ran at a process's end could abort it."""
    for rank in range(2):
        threads = _read(met, "threads", rank)
        assert threads
        assert [] == [each for each in threads if "gloo" in each]


def test_each_process_goes_on_with_its_own_chance(met: Path) -> None:
    """A stopped run of two processes with dropout goes on to the very same weights: both generators are in the checkpoint."""
    assert [0.0, 0.0] == [_read(met, "resumed", rank) for rank in range(2)]


def test_a_checkpoint_is_of_as_many_processes(met: Path) -> None:
    """One process does not go on from a checkpoint of two, whose chance it has not; it is told so, and not to remove it."""
    with pytest.raises(CheckpointUnreadable, match=r"of 2 processes, and there are 1: go on with 2"):
        resume(tiny_trainer(tiny_recipe(plain=True), drop=0.5), met / "state.pt")


def test_rows_are_gathered_in_order_and_slopes_stay_at_home(met: Path) -> None:
    """Each process has all rows, however many each brings; gradients flow into its own."""
    rows = [[0.0] * 3] * 2 + [[1.0] * 3] * 3

    for rank in range(2):
        found = _read(met, "exchanges", rank)
        assert rows == found["gathered"]
        assert [[1.0] * 3] * (2 + rank) == found["slope"]


def test_rows_of_other_lengths_are_filled_with_zeros(met: Path) -> None:
    """Of texts of one and of two tokens every process has two of each; slopes are as long as what was given."""
    for rank in range(2):
        found = _read(met, "exchanges", rank)
        assert [[[1.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]] == found["uneven"]
        assert [[[1.0, 1.0]] * (1 + rank)] == found["uneven slope"]


def test_values_are_exchanged(met: Path) -> None:
    """Sums, collections and averages are the same everywhere; a gradient that one process has reaches all."""
    for rank in range(2):
        found = _read(met, "exchanges", rank)
        assert ([{"rank": 0}, {"rank": 1}], [2.0, 1.0]) == (found["collected"], found["sum"])
        assert ([[1.0]], True) == (found["gradient"], found["without"])
        assert (0.5, 0.0) == (found["averaged"], found["shared"])


def test_alone_nothing_is_exchanged() -> None:
    """Without torchrun a process is alone: what it gives is what it gets."""
    assert ALONE == join(torch.device("cpu"))
    rows = torch.ones(2, 3)
    assert rows is ALONE.gather(rows)
    assert rows is ALONE.sum(rows)
    assert [7] == ALONE.collect(7)
    ALONE.wait()


def test_a_batch_is_a_multiple_of_the_processes() -> None:
    """A joint batch that cannot be divided is refused before anything is trained."""
    with pytest.raises(RecipeError, match="8 cannot be divided among 3 processes"):
        tiny_trainer(tiny_recipe(), ranks=Ranks(0, 3))
