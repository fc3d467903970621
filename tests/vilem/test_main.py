"""The `vilem` command as a whole."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from vilem import __version__
from vilem.cli.main import app

COMMANDS = [
    [],
    ["demo"],
    ["serve"],
    ["search"],
    ["train"],
    ["eval"],
    ["eval", "retrieval"],
    ["eval", "scenes"],
    ["eval", "sugarcrepe"],
    ["eval", "compare"],
    ["eval", "seeds"],
    ["model", "inspect"],
    ["model", "verify"],
    ["model", "export"],
    ["model", "list"],
    ["scenes", "make"],
    ["index", "build"],
    ["index", "list"],
    ["index", "show"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "vilem")
def test_every_command_explains_itself(command: list[str]) -> None:
    """`--help` of every command succeeds and, below the root, shows an example."""
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "120", "TERM": "dumb"})

    assert 0 == result.exit_code, result.output
    assert not command or f"vilem {' '.join(command)}" in result.output


def test_version() -> None:
    """`vilem --version` prints the package's version."""
    result = CliRunner().invoke(app, ["--version"])

    assert f"vilem {__version__}" == result.output.strip()


def test_an_expected_error_is_one_line() -> None:
    """A missing bundle is told in one line on stderr, with exit status 1 and no traceback."""
    command = [sys.executable, "-m", "vilem", "model", "inspect", "no-such-bundle"]

    done = subprocess.run(command, capture_output=True, text=True)

    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "no-such-bundle" in done.stderr
