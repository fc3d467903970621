"""Rows for people."""

from collections.abc import Container, Sequence


def print_rows(head: Sequence[str], rows: Sequence[Sequence[str]], whole: Container[str] = ()) -> None:
    """Print rows under their headings, as wide as the terminal lets them be; columns headed as in *whole* are never cut."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    def least(place: int) -> int | None:
        return max((len(row[place]) for row in rows), default=0) if head[place] in whole else None

    table = Table(*(Column(name, min_width=least(place)) for place, name in enumerate(head)))
    for row in rows:
        # texts, not markup: captions and paths may hold brackets
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
