"""What a run tells, kept: a line of JSON for each step, and the same for TensorBoard where it is installed."""

import importlib.util
import json
from pathlib import Path
from types import TracebackType
from typing import Self

from models.sealed import write_atomically
from models.training.loop import Step


class StepLog:
    """Appends steps to a file, beginning after the step that the run goes on from.

    Args:
        path: of the JSON lines; TensorBoard's folder lies beside it, with `-tensorboard` for the suffix.
        step: the last step that the run has behind it: what a killed run told of later ones is taken back, because they
            come again.
        on: False keeps nothing: of several processes one writes.
    """

    def __init__(self, path: Path, step: int, *, on: bool = True) -> None:
        self._file = self._board = None
        if not on:
            return
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            write_atomically(path, b"".join(line for line in lines if _number(line) <= step))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard.writer import SummaryWriter

            folder = path.with_name(f"{path.stem}-tensorboard")
            self._board = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, step: Step) -> None:
        """Keep one step; whoever reads the file sees it at once."""
        if self._file is None:
            return
        values = told(step)
        self._file.write(json.dumps({"step": step.number, **values, "alarms": step.alarms}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step.number)
            for alarm in step.alarms:
                self._board.add_text("alarm", alarm, step.number)

    def note(self, sentence: str) -> None:
        """Keep a sentence that is of no step."""
        if self._file is not None:
            self._file.write(json.dumps({"note": sentence}) + "\n")
            self._file.flush()

    def close(self) -> None:
        """End both."""
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, Exception):
            self.note(str(error))
        self.close()


def told(step: Step) -> dict[str, float]:
    """Every figure of a step by name; losses begin with "loss/", what looks found with "look/"."""
    return {
        **{f"loss/{name}": value for name, value in step.parts.items()},
        "learning_rate": step.learning_rate,
        "scale": step.scale,
        "grad_norm": step.grad_norm,
        "examples_per_s": step.examples_per_s,
        "seconds": step.seconds,
        "waited": step.waited,
        **{f"look/{name}": value for name, value in step.looks.items()},
    }


def _number(line: bytes) -> float:
    """Of a step's line; infinite for a line that a kill has cut, 0 for a note."""
    try:
        return json.loads(line).get("step", 0)
    except ValueError:
        return float("inf")
