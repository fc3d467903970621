"""How a run looks while it trains."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from models.training.loop import Step
from vilem.cli import watch as watching
from vilem.cli.watch import line, watch


def _steps(count: int) -> Iterator[Step]:
    for number in range(1, count + 1):
        alarms = ("the detector does not look",) if number == 2 else ()
        parts = {"total": 2.5, "contrastive": 2.0, "detection": 0.5}
        yield Step(number, count, 2.5, 10.0, 1e-3, 123.4, 60.0 * (count - number), parts, alarms=alarms)


def _shown(count: int, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160)
    assert count == len(list(watch(_steps(count), 0, count, console)))
    return out.getvalue()


def test_a_line_tells_losses_speed_and_time() -> None:
    """The loss and each of its parts, pairs a second, and what is left in seconds or minutes."""
    first, last = list(_steps(3))[::2]

    assert "loss 2.500 (contrastive 2.000  detection 0.500)  123 pairs/s  2 min left" == line(first)
    assert line(last).endswith("0 s left")


def test_without_a_terminal_lines_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step and the last have a line, others only when enough time went by; no control characters."""
    few = _shown(5, terminal=False)
    monkeypatch.setattr(watching, "SECONDS", 0.0)
    all_of_them = _shown(5, terminal=False)

    assert ["step 1/5", "step 5/5"] == [row.split("  ")[0] for row in few.splitlines() if row.startswith("step")]
    assert 5 == sum(row.startswith("step") for row in all_of_them.splitlines())
    assert "\x1b" not in few


@pytest.mark.parametrize("terminal", [True, False])
def test_warnings_are_shown_as_they_come(terminal: bool) -> None:
    """An alarm is one line with its step, on a terminal or not."""
    shown = _shown(3, terminal=terminal)

    assert 1 == shown.count("the detector does not look")
    assert terminal or "warning, step 2: the detector" in shown


def test_a_terminal_has_a_bar() -> None:
    """The bar ends at the last step."""
    assert "3/3" in _shown(3, terminal=True)
