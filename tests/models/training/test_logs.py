"""What a run tells, kept."""

import importlib.util
import json
from pathlib import Path

import pytest

from models.training.logs import StepLog, told
from models.training.loop import Step

STEP = Step(
    number=1,
    of=9,
    loss=3.0,
    scale=14.3,
    learning_rate=1e-3,
    examples_per_s=100.0,
    seconds_left=8.0,
    parts={"total": 3.0, "contrastive": 2.0},
    grad_norm=0.5,
    seconds=1.0,
    waited=0.1,
    looks={"images_rank": 7.0},
    alarms=("something is wrong",),
)


def _step(number: int) -> Step:
    return Step(number, 9, 1.0, 1.0, 1.0, 1.0, 1.0)


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_is_a_line(tmp_path: Path) -> None:
    """Each figure of a step is in its line by name, and its alarms in words; it can be read while the run goes on."""
    log = StepLog(tmp_path / "run.jsonl", 0)
    log.write(STEP)

    (row,) = _rows(tmp_path / "run.jsonl")
    assert (1, ["something is wrong"]) == (row.pop("step"), row.pop("alarms"))
    assert told(STEP) == row
    assert (2.0, 7.0, 0.5) == (row["loss/contrastive"], row["look/images_rank"], row["grad_norm"])
    log.close()


def test_a_resumed_run_takes_back_what_comes_again(tmp_path: Path) -> None:
    """Lines after the checkpoint's step are gone, and so is one that the kill has cut; notes stay."""
    path = tmp_path / "run.jsonl"
    with StepLog(path, 0) as log:
        log.note("a caveat")
        for number in (1, 2, 3):
            log.write(_step(number))
    with path.open("a") as file:
        file.write('{"step": 4, "loss')

    with StepLog(path, 2) as log:
        log.write(_step(3))

    assert [None, 1, 2, 3] == [row.get("step") for row in _rows(path)]


def test_the_error_that_ended_a_run_is_its_last_line(tmp_path: Path) -> None:
    """Whoever finds the log finds why it ends."""
    with pytest.raises(ValueError, match="why"), StepLog(tmp_path / "run.jsonl", 0):
        raise ValueError("why it ended")

    assert [{"note": "why it ended"}] == _rows(tmp_path / "run.jsonl")


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    """A log that is off leaves no file."""
    with StepLog(tmp_path / "run.jsonl", 0, on=False) as log:
        log.write(STEP)
        log.note("nothing")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_has_the_same(tmp_path: Path) -> None:
    """Where TensorBoard is installed its folder holds every figure of the steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with StepLog(tmp_path / "run.jsonl", 0) as log:
        log.write(STEP)

    found = EventAccumulator(str(tmp_path / "run-tensorboard")).Reload()
    assert set(told(STEP)) == set(found.Tags()["scalars"])
    assert [(1, pytest.approx(2.0))] == [(each.step, each.value) for each in found.Scalars("loss/contrastive")]
