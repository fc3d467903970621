"""index.sources.webdataset: tar shards."""

import io
import json
import tarfile
import uuid
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.sources import open_source, read_uri
from index.sources.item import Source, SourceItem, Unusable
from tests.index.support import picture
from tests.index.test_schema import JSON
from tests.support.data import real_data, write_tar

KEYS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="./\\"), min_size=1, max_size=30)


def _items(source: Source) -> list[SourceItem]:
    items = list(source)
    assert all(isinstance(item, SourceItem) for item in items), items
    return [item for item in items if isinstance(item, SourceItem)]


def _text(fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_members_of_one_key_are_one_item(tmp_path: Path) -> None:
    """Image, JSON and text of a key make an item: captions of both, everything else metadata."""
    members = [
        ("a/0.json", _text({"captions": ["x"], "caption": "y", "price": 3, "id": 9})),
        ("a/0.png", picture(0)),
        ("a/0.txt", b" z \n"),
        ("1.jpg", picture(1)),
        ("1.npy", b"other data"),
    ]
    first, second = _items(open_source(str(write_tar(tmp_path / "t.tar", members))))
    assert ("t/a/0", ("x", "y", "z"), {"price": 3, "id": 9}) == (first.id, first.captions, first.metadata)
    assert ("t/1", (), {}) == (second.id, second.captions, second.metadata)
    assert [picture(0), picture(1)] == [read_uri(first.uri), read_uri(second.uri)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        KEYS,
        st.tuples(
            st.lists(st.text().map(str.strip).filter(bool), max_size=3, unique=True),
            st.dictionaries(st.text().filter(lambda name: name not in ("caption", "captions")), JSON, max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_key_and_metadata_come_through(
    tmp_path: Path, samples: dict[str, tuple[list[str], dict[str, object]]]
) -> None:
    """Keys, captions and metadata of any Unicode text arrive as they were written, in the shard's order."""
    members: list[tuple[str, bytes]] = []
    for number, (key, (captions, metadata)) in enumerate(samples.items()):
        members += [(f"{key}.jpg", bytes([number])), (f"{key}.json", _text({"captions": captions, **metadata}))]
    found = _items(open_source(str(write_tar(tmp_path / "t.tar", members))))
    assert [(f"t/{key}", tuple(captions), metadata) for key, (captions, metadata) in samples.items()] == [
        (item.id, item.captions, item.metadata) for item in found
    ]
    assert [bytes([number]) for number in range(len(samples))] == [read_uri(item.uri) for item in found]


def test_a_key_of_two_shards_is_two_items(tmp_path: Path) -> None:
    """Every shard has its keys for itself, and an item is called the same whichever shards are read beside its own."""
    for number, name in enumerate(("s-0", "s-1", "s-2")):
        write_tar(tmp_path / f"{name}.tar", [("a.png", picture(number)), (f"own{number}.png", picture(9))])
    source = open_source(str(tmp_path))
    assert ["s-0/a", "s-0/own0", "s-1/a", "s-1/own1", "s-2/a", "s-2/own2"] == [item.id for item in _items(source)]
    alone = [item for number in range(3) for item in open_source(str(tmp_path / f"s-{number}.tar"))]
    assert alone == list(source) == list(source)
    assert [picture(number) for number in range(3)] == [read_uri(item.uri) for item in _items(source)[::2]]
    assert 6 == source.count()


@pytest.mark.parametrize("name", ["s-{0..2}.tar", "s-{0,1,2}.tar", "s-*.tar", "s-?.tar", "", "{s,r}-{0..2}.tar"])
def test_shards_are_named_in_many_ways(tmp_path: Path, name: str) -> None:
    """A range, a list, a glob and a folder mean the same shards, in order."""
    for number in range(3):
        for prefix in ("s", "r") if name.startswith("{s,r}") else ("s",):
            write_tar(tmp_path / f"{prefix}-{number}.tar", [(f"{prefix}{number}.png", picture(number))])
    found = [item.id for item in _items(open_source(f"{tmp_path}/{name}"))]
    assert [f"{each[0]}-{each[1]}/{each}" for each in ("s0", "s1", "s2", "r0", "r1", "r2")][: len(found)] == found
    assert len(found) in (3, 6)


def test_faults_of_a_sample_do_not_stop_the_shard(tmp_path: Path) -> None:
    """No image, broken JSON, JSON that is no object, captions that are no texts: each is reported, the rest goes on."""
    members = [
        ("0.json", b"{}"),
        ("1.jpg", b"x"), ("1.json", b"{"),
        ("2.jpg", b"x"), ("2.json", b"[]"),
        ("3.jpg", b"x"), ("3.json", _text({"captions": [1]})),
        ("4.jpg", b"x"), ("4.txt", b"\xff"),
        ("5.jpg", b"x"), ("5.json", b"[" * 100_000),
        ("6.jpg", b"x"), ("6.txt", b"x" * (1 << 20 | 1)),
        ("7.jpg", b"x"),
    ]  # fmt: skip
    found = list(open_source(str(write_tar(tmp_path / "t.tar", members))))
    reasons = [item.reason if isinstance(item, Unusable) else item.id for item in found]
    assert ["missing-file", *["bad-row"] * 6, "t/7"] == reasons
    assert [f"t/{number}" for number in range(8)] == [item.id for item in found]


def test_a_shard_that_ends_early_gives_what_it_has(tmp_path: Path) -> None:
    """A truncated tar yields its whole members and one report; the next shard is read."""
    data = write_tar(tmp_path / "a.tar", [(f"{number}.png", picture(number)) for number in range(5)]).read_bytes()
    (tmp_path / "a.tar").write_bytes(data[: data.index(picture(3)) - 300])
    write_tar(tmp_path / "b.tar", [("b.png", picture(9))])
    found = list(open_source(str(tmp_path)))
    good = [item.id for item in found if isinstance(item, SourceItem)]
    (bad,) = [item for item in found if isinstance(item, Unusable)]
    assert {"a/0", "a/1", "b/b"} <= set(good)
    assert ("a.tar", "unreadable-file") == (bad.id, bad.reason)


def test_a_compressed_shard_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Members of a compressed tar have no place of their own: the report says to decompress it."""
    with tarfile.open(tmp_path / "t.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())
    (item,) = open_source(str(tmp_path / "t.tar"))
    assert isinstance(item, Unusable) and "uncompressed" in item.detail
    assert None is open_source(str(tmp_path / "t.tar")).count()


def test_folders_links_and_hidden_members_are_no_samples(tmp_path: Path) -> None:
    """Only plain files count, whatever a tar may hold beside them."""
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name, kind in (("d.jpg", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE), ("._a.jpg", tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        tar.addfile(tarfile.TarInfo("./sub/ok.jpg"))
    assert ["t/sub/ok"] == [item.id for item in _items(open_source(str(tmp_path / "t.tar")))]


def test_remote_shards_are_read_in_parts(tmp_path: Path) -> None:
    """A shard in an object store gives the same items, fetched by range."""
    data = write_tar(tmp_path / "t.tar", [("a.png", picture(1)), ("b.png", picture(2))]).read_bytes()
    folder = f"/{uuid.uuid4().hex}"
    fsspec.filesystem("memory").pipe_file(f"{folder}/t.tar", data)
    source = open_source(f"memory:/{folder}/*.tar")
    assert ["t/a", "t/b"] == [item.id for item in _items(source)]
    assert [picture(1), picture(2)] == [read_uri(item.uri) for item in _items(source)]
    assert None is source.count()


@pytest.mark.parametrize("kind", [b"L", b"x"])
def test_a_tar_of_nothing_but_headers_is_one_report(tmp_path: Path, kind: bytes) -> None:
    """Thousands of long names with no member behind them do not end the job: the shard is reported, the next one read."""
    header = tarfile.TarInfo("x")
    header.type = kind
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) * 3_000 + b"\0" * 1_024)
    write_tar(tmp_path / "b.tar", [("b.png", picture(9))])
    source = open_source(str(tmp_path))
    first, second = source
    assert isinstance(first, Unusable) and ("a.tar", "unreadable-file") == (first.id, first.reason)
    assert "b/b" == second.id
    assert None is source.count()


@pytest.mark.parametrize(("folder", "images", "field"), [("flickr8k", 7_000, None), ("fashion", 4_500, "gender")])
def test_real_shards_are_read_whole(folder: str, images: int, field: str | None) -> None:
    """Every photograph of the real corpora is an item with an id of its own, a caption, and its metadata."""
    source = open_source(str(real_data(folder)))
    items = _items(source)
    assert images == len(items) == len({item.id for item in items}) == source.count()
    assert all(item.captions for item in items)
    assert all(field is None or item.metadata[field] for item in items)
    assert all(read_uri(item.uri).startswith(b"\xff\xd8\xff") for item in items[:: images // 50])


def test_a_sample_with_a_video(tmp_path: Path) -> None:
    """It is an item as a picture is; where both are there, in whichever order, the picture is."""
    members = [
        ("a.mp4", b"film"), ("a.txt", b"red"), ("b.mp4", b"x"), ("b.png", b"picture"), ("c.png", b"p"), ("c.mkv", b"y"),
    ]  # fmt: skip
    source = open_source(str(write_tar(tmp_path / "t.tar", members)))
    first, *others = _items(source)

    assert ("t/a", ("red",), True, b"film") == (first.id, first.captions, first.is_video, read_uri(first.uri))
    assert [(False, b"picture"), (False, b"p")] == [(each.is_video, read_uri(each.uri)) for each in others]
    assert 3 == source.count()
