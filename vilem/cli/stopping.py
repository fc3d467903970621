"""Commands that are stopped by Ctrl-C: they say what is left, and end with the status that a shell gives for it."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

import typer

EXIT_INTERRUPTED = 130


def heed_supervisors() -> None:
    """What a supervisor sends means from now on what Ctrl-C means: commit, then stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextmanager
def stoppable(left: Callable[[], str]) -> Generator[None]:
    """Stopped in the block, the command says what *left* tells, on stderr, and ends.

    Args:
        left: what is safe, and how to go on; asked when it is stopped.

    Raises:
        Exit: with status 130, when it was stopped.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"stopped: {left()}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
