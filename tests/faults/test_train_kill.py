"""`vilem train` under kill -9: whenever it dies, the same command goes on to the very same weights."""

import copy
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from models.training.checkpoint import resume
from models.training.recipe import read_recipe
from models.training.session import Session, open_session
from tests.models.training.small import recipe_file
from tests.support.forked import start

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = 24
EVERY = 3
# steps whose lines in the log are the sign to kill: each is beyond the last checkpoint, so that steps are lost
KILLS = (4, 7, 11, 14, 16)
CHANGES = (
    ("steps = 20", f"steps = {STEPS}"),
    ("batch = 8", "batch = 4"),
    (
        'precision = "fp32"',
        'precision = "bf16"\nema = 0.9\nchunk = 3\n\n[proofreading]\nwidth = 16\nheads = 2\nlevels = 1',
    ),
)


def _command(recipe: Path, home: Path) -> list[str]:
    return ["train", str(recipe), "--home", str(home), "--checkpoint-steps", str(EVERY), "--work", str(home / "work")]


def _logged(log: Path) -> list[int]:
    """Numbers of the steps in the log; a line that is being written does not count."""
    lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    return [row["step"] for row in map(json.loads, lines) if "step" in row]


def _kill_at(step: int, recipe: Path, home: Path, log: Path) -> None:
    """Start the command, and kill it as soon as its log has the step."""
    running = start(_command(recipe, home), home / "said.txt")
    try:
        while step not in _logged(log):
            assert running.is_alive(), (home / "said.txt").read_text()
            time.sleep(0.003)
    finally:
        running.kill()
        running.join()
    assert -signal.SIGKILL == running.exitcode


def _state(session: Session, checkpoint: Path) -> dict[str, object]:
    assert resume(session.trainer, checkpoint)
    # a copy: the trainer's own tensors are overwritten when it resumes the next
    return copy.deepcopy(session.trainer.state())


def _assert_equal(one: object, other: object, where: str = "state") -> None:
    """To the bit, through dictionaries and lists."""
    assert type(one) is type(other), where
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            _assert_equal(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        assert len(one) == len(other), where
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            _assert_equal(first, second, f"{where}[{place}]")
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


# seconds of an idle machine, minutes of one that is not
@pytest.mark.timeout(1800)
def test_a_run_killed_five_times_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Weights, averages and moments of AdamW are bit-equal to an unbroken run's; the log has each step once; a bundle is made."""
    recipe = recipe_file(tmp_path, *CHANGES)
    plan = read_recipe(recipe)
    unbroken = open_session(plan, tmp_path / "unbroken", every=STEPS)
    list(unbroken.run())
    broken = tmp_path / "work" / unbroken.checkpoint.name

    for step in KILLS:
        _kill_at(step, recipe, tmp_path, broken.with_suffix(".jsonl"))
        # whatever the kill interrupted, what lies there is whole
        assert 0 == _state(unbroken, broken)["step"] % EVERY
    # the last in a fresh interpreter, as a user's is: what it ends with depends on no state that processes inherit
    last = [sys.executable, "-m", "vilem", *_command(recipe, tmp_path)]
    done = subprocess.run(
        last, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout

    expected = _state(unbroken, unbroken.checkpoint)
    found = _state(unbroken, broken)
    assert STEPS == found["step"]
    for name in ("model", "average", "optimizer"):
        _assert_equal(expected[name], found[name], name)
    assert list(range(1, STEPS + 1)) == _logged(broken.with_suffix(".jsonl"))
    assert (tmp_path / "bundles" / "small" / "bundle.json").exists()
