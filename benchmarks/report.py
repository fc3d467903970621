"""A report that needs nothing else: one Markdown file, one HTML file whose plots are SVG inside it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.table import Row, machine
from models.sealed import write_atomically

_COLOURS = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#495057")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 240, 56, 36, 12
# More points than pixels show nothing more.
_POINTS = 600
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#212529}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #dee2e6;text-align:left}"
    "td+td{text-align:right;font-variant-numeric:tabular-nums}.missed{color:#c92a2a;font-weight:600}.ok{color:#2b8a3e}"
    "svg{max-width:100%;height:auto}text{font:11px system-ui,sans-serif;fill:#495057}"
)


@dataclass(frozen=True)
class Plot:
    """Lines in one frame: for each name its points (x, y), by x."""

    title: str
    across: str
    up: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Case:
    """What was measured, how, and what came out."""

    title: str
    how: str
    rows: Sequence[Row]
    plots: Sequence[Plot] = field(default=())


def shares(ordered: Sequence[float]) -> list[tuple[float, float]]:
    """Points of a distribution: each value, and the part of all that is no more than it."""
    return [(value, (place + 1) / len(ordered)) for place, value in enumerate(ordered)]


def write(folder: Path, name: str, title: str, cases: Sequence[Case]) -> list[Path]:
    """Write NAME.md and NAME.html into *folder*; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"md": _markdown(title, cases), "html": _page(title, cases)}
    paths = [folder / f"{name}.{ending}" for ending in found]
    for path, text in zip(paths, found.values(), strict=True):
        write_atomically(path, text.encode())
    return paths


def _markdown(title: str, cases: Sequence[Case]) -> str:
    parts = [f"# {title}", machine()]
    for case in cases:
        lines = [f"| {row.what} | {_value(row)} | {row.wanted} | {row.verdict} |" for row in case.rows]
        parts += [
            f"## {case.title}",
            case.how,
            "\n".join(["| measured | value | bar | |", "| --- | --- | --- | --- |", *lines]),
        ]
    return "\n\n".join(parts) + "\n"


def _page(title: str, cases: Sequence[Case]) -> str:
    body = [f"<h1>{html.escape(title)}</h1><p>{html.escape(machine())}</p>"]
    for case in cases:
        rows = "".join(
            f"<tr><td>{html.escape(row.what)}</td><td>{html.escape(_value(row))}</td><td>{html.escape(row.wanted)}</td>"
            f'<td class="{row.verdict.lower()}">{row.verdict}</td></tr>'
            for row in case.rows
        )
        body.append(f"<h2>{html.escape(case.title)}</h2><p>{html.escape(case.how)}</p><table>{rows}</table>")
        body += [_svg(plot) for plot in case.plots]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _svg(plot: Plot) -> str:
    points = [point for line in plot.lines.values() for point in line]
    if not points:
        return ""
    right, top = (max(point[axis] for point in points) or 1.0 for axis in (0, 1))

    def place(x: float, y: float) -> str:
        across = _LEFT + (_WIDTH - _LEFT - 8) * x / right
        return f"{across:.1f},{_HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * y / top:.1f}"

    drawn = list[str]()
    for number, (name, line) in enumerate(plot.lines.items()):
        colour, kept = _COLOURS[number % len(_COLOURS)], line[:: max(1, len(line) // _POINTS)]
        path = " ".join(place(x, y) for x, y in kept)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        drawn.append(
            f'<text x="{_LEFT + 8}" y="{_TOP + 14 + 14 * number}" style="fill:{colour}">{html.escape(name)}</text>'
        )
    axes = f'<path d="M{_LEFT},{_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - 8}" fill="none" stroke="#adb5bd"/>'
    ticks = "".join(
        f'<text x="{place(part * right, 0).split(",")[0]}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">{part * right:.3g}</text>'
        f'<text x="{_LEFT - 4}" y="{place(0, part * top).split(",")[1]}" text-anchor="end">{part * top:.3g}</text>'
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    said = f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{html.escape(plot.across)}</text>'
    label = html.escape(f"{plot.title}: {plot.up}")
    return (
        f'<figure><figcaption>{label}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{axes}{ticks}{said}{''.join(drawn)}</svg></figure>"
    )


def _value(row: Row) -> str:
    return f"{row.number} {row.unit}".strip()
