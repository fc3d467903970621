"""`vilem eval`, run as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.models.evaluation.made import COLOURS, picture
from tests.support.data import write_tar
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


def write_colours_tar(folder: Path) -> Path:
    """A WebDataset shard as anybody would bring one: pictures of one colour and their five sentences."""
    members: list[tuple[str, bytes]] = []
    for name, colour in COLOURS.items():
        said = [name, f"a {name} picture", f"the {name} square", f"{name} {name}", f"a photo of {name}"]
        members += [
            (f"{name}.jpg", picture(colour, form="JPEG")),
            (f"{name}.json", json.dumps({"captions": said}).encode()),
        ]
    return write_tar(folder / "colours.tar", members)
