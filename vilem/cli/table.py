"""Rows for people."""

from collections.abc import Sequence


def print_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings, as wide as the terminal lets them be."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head)
    for row in rows:
        # texts, not markup: captions and paths may hold brackets
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
