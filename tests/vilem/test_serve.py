"""`vilem serve`: options become settings."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from index.errors import GpuMissing
from index.gpu.device import gpus_for
from service.settings import Settings
from vilem.cli import serve
from vilem.cli.main import app


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the command would serve with; no server is started."""
    settings: list[Settings] = []
    monkeypatch.setattr(serve, "run_server", settings.append)
    return settings


def test_idle_threads_wait_and_do_not_spin(tmp_path: Path) -> None:
    """FAISS's and numpy's threads read once, when they are loaded, what to do between searches: it is said before, unless one said so.

    Spinning threads took two thirds of a search's time from what else two cores had to do.
    """
    code = (
        "import os, sys, vilem.cli.serve as serve; assert not {'faiss', 'numpy'} & sys.modules.keys()\n"
        "serve.run_server = lambda settings: print(os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'])\n"
        f"serve.serve(home={str(tmp_path)!r})"
    )
    said = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"):
        said.pop(name, None)

    for given, expected in (
        ({}, "PASSIVE 1"),
        ({"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_NUM_THREADS": "2"}, "ACTIVE 2"),
    ):
        run = subprocess.run([sys.executable, "-c", code], env=said | given, capture_output=True, text=True, check=True)
        assert expected == run.stdout.strip()


def test_options_win_over_the_environment(served: list[Settings], tmp_path: Path) -> None:
    """An option on the command line beats its VILEM_ variable; what is not given comes from the environment."""
    environment = {"VILEM_PORT": "9000", "VILEM_HOME": str(tmp_path)}

    result = CliRunner().invoke(app, ["serve", "--port", "9001"], env=environment)

    assert 0 == result.exit_code, result.output
    assert (9001, tmp_path) == (served[0].port, served[0].home)


def test_a_wrong_setting_is_an_error(served: list[Settings]) -> None:
    """A setting out of range ends the command before anything is served."""
    result = CliRunner().invoke(app, ["serve", "--port", "70000"])

    assert result.exit_code != 0
    assert [] == served


@pytest.mark.skipif(gpus_for("auto") is not None, reason="this machine has a GPU")
def test_a_gpu_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service that must search on a GPU does not start without one, and says what to do."""
    monkeypatch.setenv("VILEM_SEARCH_DEVICE", "gpu")

    result = CliRunner().invoke(app, ["serve", "--home", str(tmp_path), "--port", "0"])

    assert isinstance(result.exception, GpuMissing)
    assert "go on with the CPU" in str(result.exception)


def test_a_taken_port_is_told() -> None:
    """A port that another process has ends the command with what to do, not with a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(typer.BadParameter, match="another --port"):
        serve.open_port("127.0.0.1", taken.getsockname()[1])


def test_an_address_that_is_not_ours_is_told() -> None:
    """So does a host that no interface has."""
    with pytest.raises(typer.BadParameter, match="--host"):
        serve.open_port("192.0.2.1", 0)


def test_any_free_port_may_be_asked_for() -> None:
    """Port 0 is one that is free."""
    with serve.open_port("127.0.0.1", 0) as opened:
        assert opened.getsockname()[1] > 0
