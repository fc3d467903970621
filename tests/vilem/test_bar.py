"""A bar for jobs."""

import pytest

from vilem.cli.bar import bar


def test_each_kind_of_work_has_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """What was told is shown on stderr, the last state of each kind of work; stdout stays free."""
    with bar() as tell:
        for done in range(4):
            tell("reading", done, 3)
        tell("writing", 7, 9)

    shown = capsys.readouterr()
    assert not shown.out
    assert "reading" in shown.err
    assert "3/3" in shown.err
    assert "7/9" in shown.err
