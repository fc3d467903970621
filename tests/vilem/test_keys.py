"""`vilem keys`: keys made, listed and revoked from the command line, and a service that refuses to start without them."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.errors import KeyRefused
from service.guard.keys import holder, read_keys
from vilem.cli.main import app


def run(*words: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    done = CliRunner().invoke(app, ["keys", *words], env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_key_is_printed_once_and_alone(tmp_path: Path) -> None:
    """Standard output is the key, so that it can be piped; what the file has leads back to it and does not hold it."""
    status, out, said = run("create", "shop", "--scopes", "search, write", "--rate", "50", "--home", str(tmp_path))
    kept = holder(read_keys(tmp_path / "keys.json") or {}, out.strip())

    assert 0 == status
    assert kept is not None
    assert ("shop", ("search", "write"), 50.0, None) == (kept.name, kept.scopes, kept.rate, kept.concurrency)
    assert out.strip() not in said
    assert out.strip() not in (tmp_path / "keys.json").read_text()


def test_the_place_is_the_service_s(tmp_path: Path) -> None:
    """Keys are where the service looks for them: VILEM_HOME, VILEM_KEYS, and the options before them."""
    run("create", "a", VILEM_HOME=str(tmp_path / "home"))
    run("create", "b", VILEM_HOME=str(tmp_path / "home"), VILEM_KEYS=str(tmp_path / "other.json"))
    run("create", "c", "--file", str(tmp_path / "third.json"), VILEM_KEYS=str(tmp_path / "other.json"))

    for name, file in {"a": "home/keys.json", "b": "other.json", "c": "third.json"}.items():
        assert [name] == [each.name for each in (read_keys(tmp_path / file) or {}).values()]


def test_keys_are_listed_without_themselves(tmp_path: Path) -> None:
    """The list has names, scopes and limits, and neither key nor hash; without a file it says what that means."""
    assert "the service asks for none" in run("list", "--home", str(tmp_path))[1]
    key = run("create", "shop", "--concurrency", "8", "--home", str(tmp_path))[1].strip()

    shown = run("list", "--home", str(tmp_path))[1]

    assert all(each in shown for each in ("shop", "search", "any", "8"))
    assert key.split("_")[2][:12] not in shown


def test_the_ids_of_listed_keys_are_whole(tmp_path: Path) -> None:
    """The log names a key by its id alone: on the narrowest terminal that one has it can be found in the list."""
    key = run("create", "a" * 64, "--scopes", "search,write,admin", "--rate", "12345", "--home", str(tmp_path))[1]

    assert key.split("_")[1] in run("list", "--home", str(tmp_path), COLUMNS="80")[1]


def test_a_key_is_revoked(tmp_path: Path) -> None:
    """By its name; another time there is nothing to revoke."""
    run("create", "shop", "--home", str(tmp_path))

    assert 0 == run("revoke", "shop", "--home", str(tmp_path))[0]
    assert {} == read_keys(tmp_path / "keys.json")
    with pytest.raises(KeyRefused, match="vilem keys list"):
        run("revoke", "shop", "--home", str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ["shop", "--scopes", "all"],
        ["shop", "--scopes", ""],
        ["a b"],
        ["shop", "--rate", "0"],
        ["s", "--concurrency", "0"],
    ],
)
def test_senseless_keys_are_told(tmp_path: Path, words: list[str]) -> None:
    """A scope that is none, no scope, a name that no log could show, a limit that lets nothing in: nothing is written."""
    status, _, said = run("create", *words, "--home", str(tmp_path))

    assert 2 == status
    assert said
    assert read_keys(tmp_path / "keys.json") is None


def test_a_service_does_not_start_open_to_others(tmp_path: Path) -> None:
    """`vilem serve` on every address without keys ends at once with one line that says what to do."""
    command = [sys.executable, "-m", "vilem", "serve", "--home", str(tmp_path), "--host", "0.0.0.0", "--port", "0"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert 1 == done.returncode
    assert done.stderr.startswith("vilem: 0.0.0.0 is reached from other machines, and there are no keys")
    assert 1 == done.stderr.count("\n")
    assert "VILEM_OPEN=true" in done.stderr
