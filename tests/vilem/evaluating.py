"""`vilem eval`, run as a user types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vilem.cli.eval import app


def vilem_eval(*arguments: str | Path, fails: type[Exception] | None = None) -> Result:
    """Run `vilem eval` with these arguments; an expected error is raised as the program's main would catch it."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "140"})
    if fails is None:
        assert 0 == done.exit_code, done.output
    elif done.exception is None or not isinstance(done.exception, fails):
        pytest.fail(f"{fails.__name__} was expected: {done.output}")
    else:
        raise done.exception
    return done
