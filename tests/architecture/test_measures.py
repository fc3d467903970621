"""The measures behind the style bars."""

from pathlib import Path

import pytest

from tests.architecture import measures

SOURCE = '''"""A module."""

# a comment


def area(width: int, height, *sides: int) -> int:
    """Say it.

    In three lines.
    """
    # why
    return (
        width
        * height
    )


class Box:
    def empty(self):
        return ""
'''


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of known measures."""
    monkeypatch.setattr(measures, "ROOT", tmp_path)
    path = tmp_path / "shape.py"
    path.write_text(SOURCE)
    return path


def test_code_lines_leave_out_prose(source: Path) -> None:
    """Blank lines, comments and docstrings are no code; every line of a bracketed expression is."""
    assert {6, 12, 13, 14, 15, 18, 19, 20} == measures.code_lines(source)


def test_functions_are_measured_without_their_docstring(source: Path) -> None:
    """A function's length is its code lines from `def` to the last line; methods count too."""
    assert {"area": 5, "empty": 2} == {each.name: each.code_lines for each in measures.functions(source)}


def test_unannotated_names_what_lacks_a_type(source: Path) -> None:
    """A parameter without a type and a missing return type are named; self needs none."""
    by_name = {each.name: each.unannotated() for each in measures.functions(source)}

    assert {"area": ["height"], "empty": ["return"]} == by_name
