"""docs/security.md names the tests that show what stops an attack: they are there."""

import re

from tests.architecture.measures import ROOT

PAGE = ROOT / "docs" / "security.md"


def test_every_threat_has_a_test_that_is_there() -> None:
    """Each row of the table of threats names a file of tests, and each test that it names stands in that file."""
    table = PAGE.read_text().partition("## Threats")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]

    assert len(rows) >= 15
    for row in rows:
        named = row.split(" | ")[-1]
        files = re.findall(r"tests/[\w/]+\.py", named)
        assert files, row
        text = "".join((ROOT / file).read_text() for file in files)
        assert [] == [test for test in re.findall(r"`(test_\w+)`", named) if f"def {test}(" not in text], row
