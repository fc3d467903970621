"""The `vilem` command as a whole."""

import errno
import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from service.settings import Settings
from vilem import __version__
from vilem.cli import main as module
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
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "250", "TERM": "dumb"})

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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "cpu,train"),
        (ModuleNotFoundError("No module named 'av'", name="av"), "cpu,video"),
        (ModuleNotFoundError("No module named 'open_clip.model'", name="open_clip.model"), "open_clip.model"),
    ],
)
def test_a_missing_extra_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    """A command that needs what only training needs says what to install."""
    monkeypatch.setattr(module, "app", _raising(error))

    with pytest.raises(SystemExit) as ended:
        module.main()

    assert 1 == ended.value.code
    assert said in capsys.readouterr().err


def test_a_missing_module_of_ours_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no extra brings is not hidden behind an advice that would not help."""
    monkeypatch.setattr(module, "app", _raising(ModuleNotFoundError("No module named 'indx'", name="indx")))

    with pytest.raises(ModuleNotFoundError):
        module.main()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/home/x/lease"),
            "vilem: /home/x/lease: Permission denied: run this as",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "vilem: No space left on device: free some space"),
        (OSError(errno.EROFS, "Read-only file system", "b"), "vilem: b: Read-only file system: write where"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    """A right that is missing, or a full disk, is told with its place and what to do."""
    monkeypatch.setattr(module, "app", _raising(error))

    with pytest.raises(SystemExit) as ended:
        module.main()

    assert 1 == ended.value.code
    assert capsys.readouterr().err.startswith(said)


def test_other_errors_of_the_system_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that ought to be there is no user's mistake: its trace is kept."""
    monkeypatch.setattr(module, "app", _raising(FileNotFoundError(errno.ENOENT, "No such file", "x")))

    with pytest.raises(FileNotFoundError):
        module.main()


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting from the environment that cannot be is named as the environment names it."""
    monkeypatch.setenv("VILEM_THREADS", "many")
    monkeypatch.setattr(module, "app", Settings)

    with pytest.raises(SystemExit):
        module.main()

    assert "vilem: VILEM_THREADS:" in capsys.readouterr().err


def _raising(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it
