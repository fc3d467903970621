"""What is removed of generations, and what stays."""

from pathlib import Path

import pytest

from index.collection import Collection
from index.generations import FIRST, history, next_id, serve
from index.milvus.connection import Connection
from index.milvus.engine import ENGINE_FILE
from index.milvus.push import push
from index.milvus.target import target_of
from index.publish import publish
from index.reindex import in_step
from index.reindex.garbage import collect, is_there, kept, remove_leftovers, unfinished
from index.uploads import UPLOADS, keep
from tests.index.published import filled, unit_vectors


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A published collection with an upload."""
    collection = filled(tmp_path, unit_vectors(3))
    publish(collection)
    keep(collection.home, b"picture", "ab" * 32)
    return collection.home


def generation(home: Path, *, serves: bool = True) -> str:
    """One more generation, without rows."""
    first = Collection.open(home.parent, home.name)
    digest = "0a" * 32
    made = first.create_generation(next_id(home, digest), dim=4, bundle_digest=digest, bundle_name="other")
    if serves:
        serve(home, made.generation)
    return made.generation


def names(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {path.name for path in folder.iterdir()}


def test_the_last_are_kept(home: Path) -> None:
    """Of what was served the newest stay; what was asked for is what is told as removed."""
    served = [FIRST, *(generation(home) for _ in range(3))]

    assert served[:2][::-1] == collect(home, keep=2)

    assert served[:1:-1] == kept(home) == history(home)
    assert set(served[2:]) == names(home / "generations")


def test_the_first_goes_without_what_all_share(home: Path) -> None:
    """When the first generation goes, its rows and indexes go; the name, uploads and locks stay, and so does the collection."""
    newer = generation(home)

    assert [FIRST] == collect(home, keep=1)

    assert {"collection.json", "generation", "generations", "lease", "turn", UPLOADS} == names(home)
    assert not is_there(home, FIRST)
    assert newer == Collection.open(home.parent, home.name).generation
    assert [] == collect(home, keep=1)


def test_the_served_one_stays(home: Path) -> None:
    """However few may stay, the served one does, also when it is the oldest."""
    newer = generation(home)
    serve(home, FIRST)

    assert [newer] == collect(home, keep=0)

    assert 3 == Collection.open(home.parent, home.name).count()


def test_what_was_begun_stays_until_it_is_dropped(home: Path) -> None:
    """A change of models that was not finished can be gone on with, unless it is said to go."""
    begun = generation(home, serves=False)

    assert [] == collect(home, keep=1)
    assert [begun] == unfinished(home)
    assert [begun] == collect(home, keep=1, drop_unfinished=True)
    assert [] == unfinished(home)


def test_what_killed_jobs_left_goes(home: Path) -> None:
    """Creations and removals that were killed leave nothing; what is not ours is left alone."""
    begun = generation(home, serves=False)
    killed = home / "generations" / "g9-0a0a0a0a"
    removed = home / "generations" / ".staging-g8-0a0a0a0a"
    half = home / ".staging-generation-1234"
    note = home / "generations" / begun / ".staging-in-step.json-1234"
    others = home / "generations" / "README"
    for folder in (killed, removed):
        (folder / "items.lance").mkdir(parents=True)
    for file in (half, note, others):
        file.write_text("x")

    remove_leftovers(home)

    assert {begun, "README"} == names(home / "generations")
    assert not half.exists()
    assert not note.exists()
    assert 3 == Collection.open(home.parent, home.name).count()


def test_a_removal_can_be_killed(home: Path) -> None:
    """A first generation that was half removed is not served, and the rest of it goes the next time."""
    generation(home)
    (home / "snapshots").rename(home / "snapshots-kept")
    collect(home, keep=1)
    (home / "snapshots-kept").rename(home / "snapshots")

    collect(home, keep=1)

    assert "snapshots" not in names(home)


def test_what_was_pushed_goes_too(home: Path, tmp_path: Path) -> None:
    """A generation takes its stores in Milvus with it; while they cannot be removed, it stays: nobody else knows of them."""
    pytest.importorskip("milvus_lite.server_manager", reason="Milvus is an extra: pip install -e '.[cpu,milvus]'")
    milvus = tmp_path / "milvus"
    milvus.mkdir()
    target = target_of(str(milvus / "vectors.db"))
    push(Collection.open(home.parent, home.name), target)
    newer = generation(home)

    milvus.rename(tmp_path / "away")
    assert [] == collect(home, keep=1)
    assert [newer, FIRST] == kept(home)

    (tmp_path / "away").rename(milvus)
    assert [FIRST] == collect(home, keep=1)
    assert not {"items.lance", ENGINE_FILE} & names(home)
    with Connection.open(target) as connection:
        assert [] == connection.call("list_collections")


def test_a_note_goes_with_what_it_is_about(home: Path) -> None:
    """That two were in step, and the version kept for it, is forgotten with one of them."""
    first = Collection.open(home.parent, home.name)
    newer = generation(home)
    taken = Collection.open(home.parent, home.name, generation=newer)
    in_step.note(taken, first)
    assert FIRST == in_step.other_generation(taken.path)

    collect(home, keep=1)

    assert in_step.other_generation(taken.path) is None
    assert {} == taken.latest().items.tags.list()
