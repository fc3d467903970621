"""What the commands of `vilem eval` share."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console

from models.errors import BundleMissing
from models.evaluation.made_edits import with_made_edits
from models.evaluation.report import read_report
from models.evaluation.tables import Table
from tests.models.evaluation.made import colours, small_report
from vilem.cli.eval_parts import open_bundle, print_table, refuse_others, show, tell, watched, with_edits


def test_options_that_would_do_nothing_are_refused() -> None:
    """Without a data set its options are refused, with one those of what is rendered; the others pass."""
    refuse_others(None, {"--split": None}, {"--scenes": 3})
    refuse_others(Path("data"), {"--split": "val"}, {"--scenes": None})

    with pytest.raises(typer.BadParameter, match="--split would do nothing: they belong to a SOURCE"):
        refuse_others(None, {"--split": "val"}, {})
    with pytest.raises(typer.BadParameter, match="--seed would do nothing: they belong to what is rendered"):
        refuse_others(Path("data"), {}, {"--seed": 0})


def test_a_bundle_is_found_by_name_and_by_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    """A name is looked for at home; a bundle that is nowhere is missing."""
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "mine").symlink_to(tiny_bundle)

    assert open_bundle("mine", tmp_path).digest == open_bundle(str(tiny_bundle), tmp_path).digest
    with pytest.raises(BundleMissing):
        open_bundle("yours", tmp_path)


def test_entries_pass_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    """A bar is for people: what passes is what was given, in order, and standard output stays empty."""
    entries = colours(3).entries

    assert list(entries) == list(watched(entries, "embedding"))
    assert "" == capsys.readouterr().out


def test_a_report_is_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables and the names of the files, or one JSON object; the files are the same."""
    tell(small_report(), colours(), tmp_path / "one", as_json=False)
    said = capsys.readouterr().out
    tell(small_report(), colours(), tmp_path / "two", as_json=True)
    found = json.loads(capsys.readouterr().out)

    assert "6 images, 12 captions" in said
    assert "report.json" in said.replace("\n", "")
    assert (6.0, 0) == (found["images"], found["truncated"])
    assert read_report(tmp_path / "one") == read_report(tmp_path / "two") == small_report()


def test_warnings_stand_below_the_tables() -> None:
    """What makes figures other than they seem is said after them."""
    console = Console(record=True, width=140)

    show(small_report().model_copy(update={"truncated": 3}), console)

    assert console.export_text().strip().endswith("lost their end: 3")


def test_cells_are_texts() -> None:
    """Markup in the name of a group is no markup."""
    console = Console(record=True, width=80)

    print_table(Table("[bold]title", ("", "n"), (("[red]x", "1"),)), console)

    assert "[bold]title" in console.export_text(clear=False)
    assert "[red]x" in console.export_text()


def test_a_table_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe every figure of a table that is wider than it stands whole on its row's line; a terminal breaks lines instead."""
    row = ("text→image, mean of 5 folds", *(f"{number}.125 %" for number in range(100, 112)))
    wide = Table("Wide", tuple(f"column {number}" for number, _ in enumerate(row)), (row,))

    print_table(wide)
    piped = capsys.readouterr().out
    print_table(wide, Console(force_terminal=True, width=80))
    shown = capsys.readouterr().out

    assert any(all(cell in line for cell in row) for line in piped.splitlines())
    assert "…" not in piped + shown
    assert all(digit in shown for digit in ("100", "111"))


def test_a_table_in_a_pipe_is_no_wider_than_it_must_be() -> None:
    """A narrow table leaves the console as wide as it was."""
    console = Console(record=True, width=80)

    print_table(Table("Narrow", ("", "n"), (("x", "1"),)), console)

    assert 80 == console.width
    assert max(map(len, console.export_text().splitlines())) < 20


def test_edits_are_made_of_what_a_data_set_has() -> None:
    """Without a language model edits are by rule alone; without a seed it is 0."""
    bare = replace(colours(), entries=tuple(replace(each, edits=()) for each in colours().entries))

    made = with_edits(bare, None, None)

    assert made == with_edits(bare, None, 0) == with_made_edits(bare)
    assert any(each.edits for each in made.entries)
