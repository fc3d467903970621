"""Rows for people."""

import pytest

from vilem.cli.table import print_rows


@pytest.mark.parametrize("columns", ["80", "30"])
def test_what_is_to_be_whole_is_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """However narrow the terminal, cells of such a column are there to be copied; the others give way."""
    monkeypatch.setenv("COLUMNS", columns)

    print_rows(("id", "name"), [("0123456789abcdef", "x" * 100), ("fedcba9876543210", "y" * 100)], whole=("id",))

    assert ["0123456789abcdef", "fedcba9876543210"] == [
        line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("│ ") and line[2].isalnum()
    ]


def test_cells_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell stands under its heading in its row; what looks like rich's markup is text."""
    monkeypatch.setenv("COLUMNS", "100")

    print_rows(("name", "text"), [("one", "[red]not red[/red]"), ("two", "[/]")])

    lines = capsys.readouterr().out.splitlines()
    assert ["name", "text"] == [cell.strip() for cell in lines[1].split("┃")[1:3]]
    assert ["one", "[red]not red[/red]"] == [cell.strip() for cell in lines[3].split("│")[1:3]]
    assert ["two", "[/]"] == [cell.strip() for cell in lines[4].split("│")[1:3]]
