"""The one way a benchmark prints: what was measured, beside its bar, on which machine."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.ort import available_cores


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: was measured.
        value: as measured.
        unit: of the value.
        bar: what it must reach; None where it is only for the record.
        at_most: the bar is a maximum, not a minimum.
    """

    what: str
    value: float
    unit: str
    bar: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """ "ok" or "MISSED", or nothing without a bar."""
        if self.bar is None:
            return ""
        reached = self.value <= self.bar if self.at_most else self.value >= self.bar
        return "ok" if reached else "MISSED"

    @property
    def number(self) -> str:
        """The value in as many digits as tell something."""
        return _number(self.value)

    @property
    def wanted(self) -> str:
        """The bar, or nothing."""
        return "" if self.bar is None else f"{'≤' if self.at_most else '≥'} {_number(self.bar)} {self.unit}".strip()


def machine() -> str:
    """One line that says what the figures were measured on, and how busy it was with other things."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    load = os.getloadavg()[0]
    return f"{model}, {available_cores()} cores, Python {platform.python_version()}, load {load:.1f} at the end"


def show(title: str, rows: Sequence[Row]) -> None:
    """Print the table and the machine it stands for."""
    table = Table(title=title, title_justify="left")
    for column in ("measured", "value", "bar", ""):
        table.add_column(column, justify="left" if column == "measured" else "right")
    for row in rows:
        table.add_row(row.what, f"{row.number} {row.unit}", row.wanted, row.verdict)
    console = Console(width=110)
    console.print(table)
    console.print(machine(), highlight=False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
