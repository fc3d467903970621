"""index.generations: which generation is served, and that nothing is written to another one."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.collection import Collection, list_collections
from index.embed import embed
from index.errors import CollectionInvalid, GenerationChanged
from index.generations import (
    ALIAS,
    FIRST,
    folder_of,
    forget,
    generation_of,
    history,
    is_id,
    made,
    mark_of,
    next_id,
    remove_abandoned_files,
    serve,
    served,
    served_folder,
)
from index.publish import publish
from index.schema import Reject
from index.sources import open_source
from models.bundle import Bundle
from tests.index.support import DIM, empty_collection, entry, picture

DIGESTS = ["0a" * 32, "0b" * 32]


def generation(collection: Collection, digest: str = DIGESTS[0]) -> Collection:
    """One more generation, of twice the dimension."""
    return collection.create_generation(
        next_id(collection.home, digest), dim=2 * DIM, bundle_digest=digest, bundle_name="other"
    )


def test_the_folder_itself_is_the_first(tmp_path: Path) -> None:
    """A collection of before generations is served from its own folder."""
    collection = empty_collection(tmp_path)

    assert (FIRST, collection.path) == (served(collection.home), served_folder(collection.home))
    assert (FIRST, collection.path) == (collection.generation, collection.home)


def test_its_mark_says_when_to_open_it_again(tmp_path: Path) -> None:
    """Writes leave it; another generation, or a collection made anew under the name, does not; what is gone has none."""
    first = empty_collection(tmp_path)
    mark = mark_of(first.home)
    first.add([entry(1)])
    assert None is not mark == mark_of(first.home)

    serve(first.home, generation(first).generation)
    assert mark != mark_of(first.home) is not None
    serve(first.home, FIRST)
    assert mark == mark_of(first.home)

    first.home.rename(tmp_path / "before")
    assert mark_of(first.home) is None
    empty_collection(tmp_path)
    assert mark != mark_of(first.home)


def test_what_is_served_is_opened(tmp_path: Path) -> None:
    """One file decides which rows, dimension and model a name stands for; the collection is listed once."""
    first = empty_collection(tmp_path)
    first.add([entry(1)])
    second = generation(first)
    assert FIRST == Collection.open(tmp_path, "test").generation

    serve(first.home, second.generation)

    opened = Collection.open(tmp_path, "test")
    assert (second.generation, 2 * DIM, DIGESTS[0], 0) == (
        opened.generation,
        opened.info.dim,
        opened.info.bundle_digest,
        opened.count(),
    )
    assert (first.home, second.path) == (opened.home, opened.path)
    assert ["test"] == list_collections(tmp_path)
    assert 1 == Collection.open(tmp_path, "test", generation=FIRST).count()


@pytest.mark.parametrize(
    "write",
    [
        lambda collection: collection.add([entry(2)]),
        lambda collection: collection.delete(["item-00001"]),
        lambda collection: collection.note_rejects([Reject("x", "y", "bad-row", "z", "now")], []),
        lambda collection: collection.index_ids(),
        lambda collection: collection.keep_patches(),
        publish,
    ],
)
def test_nothing_is_written_to_what_is_not_served(tmp_path: Path, write: Callable[[Collection], object]) -> None:
    """An object that was opened before a change of models commits nothing after it, and says what to do."""
    first = empty_collection(tmp_path)
    first.add([entry(1)])
    serve(first.home, generation(first).generation)
    version = first.latest().version

    with pytest.raises(GenerationChanged, match="open it again"):
        write(first)

    assert version == Collection.open(tmp_path, "test", generation=FIRST).version
    assert [] == Collection.open(tmp_path, "test", generation=FIRST).rejects()


def test_nothing_is_written_to_what_was_made_anew(tmp_path: Path) -> None:
    """What was opened before a collection was removed and made again under its name writes nothing to the new one."""
    first = empty_collection(tmp_path)
    first.add([entry(1)])
    first.home.rename(tmp_path / "before")
    anew = empty_collection(tmp_path)

    with pytest.raises(GenerationChanged, match="made anew"):
        first.add([entry(2)])

    assert 0 == anew.latest().count()


def test_versions_of_one_object_are_of_one_generation(tmp_path: Path) -> None:
    """What an open collection shows, now and earlier, stays of its generation."""
    first = empty_collection(tmp_path)
    first.add([entry(1)])
    serve(first.home, generation(first).generation)

    for each in (first.latest(), first.at(first.version, first.captions_version)):
        assert (FIRST, 1) == (each.generation, each.count())
        with pytest.raises(GenerationChanged):
            each.add([entry(2)])


def test_its_builder_writes_without_turns(tmp_path: Path) -> None:
    """A generation that is named when it is opened is written although it is not served."""
    first = empty_collection(tmp_path)
    second = generation(first)

    second.keep_patches()

    assert second.keeps_patches
    assert second.latest().keeps_patches
    assert not Collection.open(tmp_path, "test").keeps_patches


def test_the_history_names_each_once(tmp_path: Path) -> None:
    """Who served last comes first, and what served twice is there once."""
    home = empty_collection(tmp_path).home

    serve(home, "g1-0a0a0a0a")
    serve(home, "g2-0b0b0b0b")
    serve(home, "g1-0a0a0a0a")
    assert ["g1-0a0a0a0a", "g2-0b0b0b0b", FIRST] == history(home)

    forget(home, {FIRST, "g9-0b0b0b0b"})
    assert ["g1-0a0a0a0a", "g2-0b0b0b0b"] == history(home)


def test_numbers_are_not_used_again(tmp_path: Path) -> None:
    """A new generation's number is above all that are there or were served."""
    first = empty_collection(tmp_path)
    second = generation(first)
    assert ("g1-0a0a0a0a", "g2-0b0b0b0b") == (second.generation, next_id(first.home, DIGESTS[1]))

    serve(first.home, "g7-0c0c0c0c")
    assert "g8-0b0b0b0b" == next_id(first.home, DIGESTS[1])
    assert ["g1-0a0a0a0a"] == made(first.home)


def test_a_folder_without_its_file_is_no_generation(tmp_path: Path) -> None:
    """What a killed creation left is not taken for one, and its name can be used again."""
    first = empty_collection(tmp_path)
    second = generation(first)
    (second.path / "collection.json").unlink()

    assert [] == made(first.home)
    assert second.generation == generation(first).generation


def test_folders_and_names(tmp_path: Path) -> None:
    """A generation's folder tells its name."""
    for name in (FIRST, "g12-0a0a0a0a"):
        assert name == generation_of(tmp_path, folder_of(tmp_path, name))


@pytest.mark.parametrize("data", [b"", b"../other\n", b"g0 x", b"\xff\xfe", b"g1", b"g0/.."])
def test_a_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """A file that names no generation leads to no folder, and the message says how to mend it."""
    home = empty_collection(tmp_path).home
    (home / ALIAS).write_bytes(data)

    with pytest.raises(CollectionInvalid, match="write into it"):
        Collection.open(tmp_path, "test")


@given(st.text(max_size=20))
def test_a_name_is_no_path(text: str) -> None:
    """What is taken for a generation's name has nothing of a path."""
    if is_id(text):
        assert Path(text).name == text
        assert "." not in text


def abandoned(collection: Collection) -> list[Path]:
    """Files that killed writers of each kind left in the folders of that generation."""
    names = ("text-model.json", "engine.json", "duplicates/groups.arrow")
    left = [collection.path / Path(name).with_name(f".staging-{Path(name).name}-0a0b0c0d") for name in names]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a part")
    return left


def test_half_written_files_of_all_generations_go(tmp_path: Path) -> None:
    """Beside the datasets, and a folder deeper; whatever else is there stays."""
    first = empty_collection(tmp_path)
    second = generation(first)
    left = [*abandoned(first), *abandoned(second)]
    others = {path for path in first.home.rglob("*") if path not in left}

    remove_abandoned_files(first.home)

    assert others == set(first.home.rglob("*"))


def test_the_next_job_removes_half_written_files(tmp_path: Path, tiny_bundle: Path) -> None:
    """Embedding and publishing, which hold the collection, begin with that; what is being written is left."""
    bundle = Bundle.open(tiny_bundle)
    dim = bundle.manifest.dim
    collection = Collection.create(tmp_path, "test", dim=dim, bundle_digest=bundle.digest, bundle_name="tiny")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(picture(1))
    left = abandoned(collection)
    with left[0].open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with embed(collection, open_source(str(tmp_path / "pictures")), bundle) as job:
            list(job)
    assert [True, False, False] == [path.exists() for path in left]

    publish(collection.latest())

    assert not left[0].exists()
