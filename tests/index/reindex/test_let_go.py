"""Items that were let go when another model took over, and what is done with them afterwards."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from index.live.writes import Put, Remove, apply
from index.reindex import in_step
from index.schema import Record, Reject
from models.bundle import Bundle
from tests.index.reindex.support import OPTIONS, back, change, expect_embedded_by, make_home, opened, run
from tests.index.support import picture, stored_ids
from vilem.cli.main import app

LOST = "red-0"


@pytest.fixture
def home(tmp_path: Path, models: tuple[Path, Path]) -> Path:
    """Eight pictures embedded by the new model, but for one that was let go: it is in the old generation alone."""
    home = make_home(tmp_path, models, shades=1)
    (home / "pictures" / f"{LOST}.png").unlink()
    run(change(home, options=replace(OPTIONS, max_lost=1)))
    assert LOST not in stored_ids(opened(home))
    return home


@pytest.fixture(params=[True, False], ids=["noted", "compared"])
def in_step_noted(request: pytest.FixtureRequest) -> bool:
    """Whether it is known what both generations held when one took over; else all items are compared."""
    return request.param


def go_back(home: Path, *, noted: bool) -> list[str]:
    """Roll back; the ids that are served then."""
    if not noted:
        in_step.forget(opened(home).path)
    run(back(home))
    assert "old" == opened(home).info.bundle_name
    return stored_ids(opened(home))


def put(home: Path, item_id: str = LOST) -> None:
    """Write an item with a picture, as a live writer does."""
    file, bundle = home / "written.png", Bundle.open(home / "bundles" / "new")
    file.write_bytes(picture(7))
    record = Record(item_id, file.as_uri(), f"{7:064d}", 48, 40, ("red",), {"written": True})
    vector = bundle.embed_images(bundle.prepare(picture(7))[None])[0]
    apply(opened(home), [Put(record, vector, bundle.embed_texts(["red"]).vectors, bundle.digest)])


def remove(home: Path) -> None:
    """As a live writer does."""
    apply(opened(home), [Remove(LOST)])


def remove_from_the_command_line(home: Path) -> None:
    """`vilem index delete`."""
    done = CliRunner().invoke(app, ["index", "delete", "colours", LOST, "--home", str(home)])
    assert 0 == done.exit_code, done.output


REMOVALS = pytest.mark.parametrize("removal", [remove, remove_from_the_command_line])


@REMOVALS
def test_what_was_put_and_deleted_stays_deleted(
    home: Path, removal: Callable[[Path], None], *, in_step_noted: bool
) -> None:
    """The last word on an item that was let go, and came again, is its removal: going back does not undo it."""
    put(home)
    removal(home)

    assert LOST not in go_back(home, noted=in_step_noted)


@REMOVALS
def test_what_was_deleted_while_it_was_let_go_stays_deleted(
    home: Path, removal: Callable[[Path], None], *, in_step_noted: bool
) -> None:
    """A removal counts for an item that only the older generation has: the answer was that it is absent."""
    removal(home)

    served = go_back(home, noted=in_step_noted)
    assert LOST not in served
    assert 7 == len(served)


def test_what_nobody_touched_comes_back(home: Path, *, in_step_noted: bool) -> None:
    """Whatever else is written and removed, an item that was let go and left alone is back with the old model."""
    put(home, "other")
    apply(opened(home), [Remove("blue-0"), Remove("nobody")])

    served = go_back(home, noted=in_step_noted)
    assert LOST in served
    assert "blue-0" not in served
    assert 8 == len(served)


def test_what_was_put_comes_along(home: Path, *, in_step_noted: bool) -> None:
    """An item that came again is a reject no more, and is what it was written as after going back."""
    assert [LOST] == [each.id for each in opened(home).rejects()]
    put(home)
    assert [] == opened(home).rejects()

    assert LOST in go_back(home, noted=in_step_noted)
    stored = opened(home).get(LOST)
    assert stored is not None
    assert {"written": True} == stored.metadata
    expect_embedded_by(home, "old")


def test_a_removal_while_going_back_counts(home: Path, *, in_step_noted: bool) -> None:
    """What is removed between the first comparison and the swap is gone as well."""
    if not in_step_noted:
        in_step.forget(opened(home).path)
    with back(home) as job:
        steps = iter(job)
        # before the last rows come over
        next(step for step in steps if step.doing == "checking")
        remove(home)
        list(steps)

    assert "old" == opened(home).info.bundle_name
    assert LOST not in stored_ids(opened(home))


def test_a_reject_does_not_bring_back_what_was_removed(home: Path, *, in_step_noted: bool) -> None:
    """An item of both that was removed, and that a source names again without its picture, was not let go: it stays removed."""
    apply(opened(home), [Remove("blue-0")])
    opened(home).note_rejects([Reject("blue-0", "file:///gone", "missing-file", "it is gone", "now")], [])
    if not in_step_noted:
        noted = opened(home).path / in_step.IN_STEP_FILE
        noted.write_text(noted.read_text().replace('"other_version":', '"other_version":9'))

    run(back(home))
    assert "blue-0" not in stored_ids(opened(home))
    assert LOST in stored_ids(opened(home))


def test_a_note_of_an_earlier_version_is_compared(home: Path) -> None:
    """A note that does not tell what was let go costs a comparison, and the end is the same."""
    file = opened(home).path / in_step.IN_STEP_FILE
    noted = json.loads(file.read_text())
    assert [LOST] == noted.pop("let_go")
    file.write_text(json.dumps(noted))
    remove(home)

    assert LOST not in go_back(home, noted=True)
