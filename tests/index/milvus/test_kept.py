"""Versions that are kept for pushes."""

from pathlib import Path

from index.collection import Collection
from index.milvus.engine import EngineRecord, Pushed, write_record
from index.milvus.kept import keep_pushed, release_pushed
from tests.index.published import entries, filled, unit_vectors

VECTORS = unit_vectors(5)


def pushed(items: int, captions: int) -> Pushed:
    """Of those versions."""
    return Pushed(
        images="a", texts="b", index="FLAT", items_version=items, captions_version=captions, items=1, captions=1,
        pushed_at="now",
    )  # fmt: skip


def kept(collection: Collection) -> tuple[list[str], list[str]]:
    """Tags of the items and of the captions."""
    return sorted(collection.items.tags.list()), sorted(collection.captions.tags.list())


def test_what_a_record_names_is_kept(tmp_path: Path) -> None:
    """The pushed and the earlier versions stay, those of pushes that came to nothing go, and others' tags are left."""
    collection = filled(tmp_path, VECTORS[:1])
    versions: list[tuple[int, int]] = []
    for number in range(1, 4):
        keep_pushed(collection)
        keep_pushed(collection)
        versions.append((collection.version, collection.captions_version))
        collection.add(entries(VECTORS[number : number + 1], first=number))
    collection.items.tags.create("snapshot-x", versions[0][0])
    record = EngineRecord(
        collection="test", created_at="", bundle_digest="", bundle_name="", dim=8, uri="", serving=True,
        pushed=pushed(*versions[2]), previous=pushed(*versions[0]),
    )  # fmt: skip
    assert 4 == len(kept(collection)[0])
    write_record(collection.path, record)

    release_pushed(collection)

    first, _, last = versions
    assert [f"pushed-{first[0]}", f"pushed-{last[0]}", "snapshot-x"] == kept(collection)[0]
    assert [f"pushed-{first[1]}", f"pushed-{last[1]}"] == kept(collection)[1]
