"""Rows for people."""

import pytest

from vilem.cli.table import print_rows


def test_cells_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell stands under its heading in its row; what looks like rich's markup is text."""
    monkeypatch.setenv("COLUMNS", "100")

    print_rows(("name", "text"), [("one", "[red]not red[/red]"), ("two", "[/]")])

    lines = capsys.readouterr().out.splitlines()
    assert ["name", "text"] == [cell.strip() for cell in lines[1].split("┃")[1:3]]
    assert ["one", "[red]not red[/red]"] == [cell.strip() for cell in lines[3].split("│")[1:3]]
    assert ["two", "[/]"] == [cell.strip() for cell in lines[4].split("│")[1:3]]
