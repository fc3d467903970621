"""Where changes of models begin."""

from dataclasses import replace
from pathlib import Path

import pytest

from index.collection import Collection
from index.errors import GenerationMissing, ReindexRefused, ReindexUnfinished
from index.generations import FIRST, history
from index.lease import GENERATIONS_LEASE_FILE, lease
from index.reindex.garbage import collect
from index.reindex.start import generation_states, reindex
from index.searcher import Searcher
from tests.index.reindex.support import (
    NAME,
    OPTIONS,
    back,
    change,
    expect_embedded_by,
    make_home,
    opened,
    run,
)
from tests.index.support import counting
from tests.support.collections import link_bundle
from tests.support.tiny_bundle import make_tiny_bundle


@pytest.fixture
def home(tmp_path: Path, models: tuple[Path, Path]) -> Path:
    """Eight pictures, embedded by the first bundle."""
    return make_home(tmp_path, models, shades=1)


def begin(home: Path, model: str = "new") -> None:
    """Begin a change, and leave it."""
    with change(home, model) as job:
        next(iter(job))


def states(home: Path) -> list[tuple[str, str]]:
    """Model and state of each generation."""
    return [(each.info.bundle_name, each.state) for each in generation_states(home / "collections", NAME)]


def test_generations_are_listed(home: Path) -> None:
    """What is served comes first, then what is kept, then what is not finished, each with its model and rows."""
    assert [("old", "served")] == states(home)
    begin(home)
    assert [("old", "served"), ("new", "unfinished")] == states(home)
    run(change(home))
    assert [("new", "served"), ("old", "kept")] == states(home)
    assert [8, 8] == [each.rows for each in generation_states(home / "collections", NAME)]


def test_back_and_forth(home: Path) -> None:
    """The way back leads to the generation before, by name or without; the way forth again embeds nothing that is there."""
    run(change(home))
    newer = opened(home).generation

    run(back(home))
    expect_embedded_by(home, "old")
    run(back(home, newer))
    expect_embedded_by(home, "new")
    run(back(home, FIRST))
    bundle = counting(home / "bundles" / "new")
    done = run(reindex(home / "collections", NAME, bundle, OPTIONS))

    expect_embedded_by(home, "new")
    assert done.report is not None
    assert 0 == done.report.embedded
    assert [newer, FIRST] == history(opened(home).home)


def test_there_must_be_something_to_go_back_to(home: Path) -> None:
    """One generation has no older one; names of none, of the served one and of an unfinished one are refused."""
    with pytest.raises(GenerationMissing, match="no older generation"):
        back(home)
    begin(home)
    unfinished = generation_states(home / "collections", NAME)[1].id
    for name in ("g7-00000000", FIRST, unfinished, "../.."):
        with pytest.raises(GenerationMissing):
            back(home, name)


def test_what_was_removed_meanwhile_is_told(home: Path) -> None:
    """A generation that went between the asking and the doing is not served."""
    run(change(home))
    job = back(home)
    collect(opened(home).home, keep=1)

    with pytest.raises(GenerationMissing, match="removed meanwhile"):
        run(job)

    assert 8 == Searcher.open(home / "collections", NAME).count


def test_one_change_at_a_time(home: Path, tmp_path: Path) -> None:
    """Another model than the one that was begun is refused with what to do; once that is dropped, it may come."""
    begin(home)
    third = make_tiny_bundle(tmp_path / "third", dim=8, seed=3)
    link_bundle(home, third)

    with pytest.raises(ReindexUnfinished, match=r"reindex colours --model new.*gc colours --unfinished"):
        run(change(home, "third"))

    collection = opened(home)
    with lease(collection.home, "test", file_name=GENERATIONS_LEASE_FILE):
        collect(collection.home, drop_unfinished=True)
    run(change(home, "third"))
    expect_embedded_by(home, "third")


def test_only_so_many_are_kept(home: Path, tmp_path: Path) -> None:
    """With a third model the first one goes; the newest two can be served."""
    link_bundle(home, make_tiny_bundle(tmp_path / "third", dim=8, seed=3))
    run(change(home))

    done = run(change(home, "third"))

    assert [FIRST] == done.removed
    assert [("third", "served"), ("new", "kept")] == states(home)
    run(back(home))
    expect_embedded_by(home, "new")
    assert 8 == Searcher.open(home / "collections", NAME).count
    # the first model again is a generation of its own
    run(change(home, "old", replace(OPTIONS, keep=1)))
    assert [("old", "served")] == states(home)
    expect_embedded_by(home, "old")


def test_the_same_model_is_no_change(home: Path) -> None:
    """A collection that a bundle serves is not embedded by it again."""
    with pytest.raises(ReindexRefused, match="already"):
        change(home, "old")


def test_a_collection_in_its_generation_is_a_collection(home: Path) -> None:
    """A served generation can be reindexed from, copied by its folder, and opened at its versions."""
    run(change(home))
    served = opened(home)

    assert served.count() == served.at(served.version, served.captions_version).count()
    assert served.path == Collection.open(home / "collections", NAME, generation=served.generation).path
