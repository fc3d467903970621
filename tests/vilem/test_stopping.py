"""Commands that are stopped."""

import os
import signal
from collections.abc import Iterator

import pytest
import typer

from vilem.cli.stopping import EXIT_INTERRUPTED, heed_supervisors, stoppable


@pytest.fixture
def handlers() -> Iterator[None]:
    """Afterwards SIGTERM does what it did."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_who_is_stopped_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told as things are when the stop comes, on stderr, and the status is a shell's for Ctrl-C."""
    done = 0
    with pytest.raises(typer.Exit) as raised, stoppable(lambda: f"{done} are safe"):
        done = 7
        raise KeyboardInterrupt

    assert EXIT_INTERRUPTED == raised.value.exit_code
    assert ("", "stopped: 7 are safe\n") == capsys.readouterr()


def test_who_is_not_stopped_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said at its end, and its errors are its own."""
    with stoppable(lambda: pytest.fail("nobody stopped it")):
        pass
    with pytest.raises(ValueError, match="its own"), stoppable(lambda: pytest.fail("nobody stopped it")):
        raise ValueError("its own")

    assert ("", "") == capsys.readouterr()


@pytest.mark.usefixtures("handlers")
def test_a_supervisor_is_heeded(capsys: pytest.CaptureFixture[str]) -> None:
    """SIGTERM stops a command as Ctrl-C does."""
    heed_supervisors()
    with pytest.raises(typer.Exit), stoppable(lambda: "all is safe"):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    assert "stopped: all is safe\n" == capsys.readouterr().err
