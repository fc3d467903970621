"""Addresses of a Milvus."""

from pathlib import Path

import pytest

from index.errors import MilvusError
from index.milvus.target import Target, target_of


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("milvus://host", Target("milvus://host:19530", "http://host:19530")),
        ("milvus://host:7/", Target("milvus://host:7", "http://host:7")),
        ("milvus://host:7/shop", Target("milvus://host:7/shop", "http://host:7", "shop")),
        ("milvus+tls://host/shop", Target("milvus+tls://host:19530/shop", "https://host:19530", "shop")),
        ("milvus://[::1]:7", Target("milvus://[::1]:7", "http://[::1]:7")),
        ("milvus:///a/b.db", Target("milvus:///a/b.db", "/a/b.db", file=Path("/a/b.db"))),
        ("/a/b.db", Target("milvus:///a/b.db", "/a/b.db", file=Path("/a/b.db"))),
    ],
)
def test_an_address_is_read(uri: str, expected: Target) -> None:
    """Host, port, database and encryption, or a file; what is left out has its default."""
    assert expected == target_of(uri)


@pytest.mark.parametrize("uri", ["photos.db", "milvus://photos.db", "./photos.db"])
def test_a_file_is_named_from_the_root_on(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative file means the same wherever it is read again."""
    monkeypatch.chdir(tmp_path)

    assert f"milvus://{tmp_path / 'photos.db'}" == target_of(uri).uri


@pytest.mark.parametrize("uri", ["milvus://host:7/shop", "milvus+tls://host", "milvus:///a/b.db"])
def test_what_names_a_place_is_an_address_of_it(uri: str) -> None:
    """A target's uri is read as the same target."""
    target = target_of(uri)

    assert target == target_of(target.uri)


@pytest.mark.parametrize(
    "uri",
    ["", "host", "http://host", "milvus:host", "milvus://", "milvus://host:x", "milvus://host:99999", "milvus://host/a-b",
     "milvus://host?x=1", "milvus://host/a/b", "faiss"],
)  # fmt: skip
def test_what_is_no_address_is_refused(uri: str) -> None:
    """The message tells how to write one."""
    with pytest.raises(MilvusError, match=r"write milvus://host:19530|cannot name a database"):
        target_of(uri)


@pytest.mark.parametrize("uri", ["milvus://root:hunter2@host", "milvus://hunter2@host:7/shop", "x://root:hunter2@host"])
def test_a_password_in_an_address_is_refused_and_not_repeated(uri: str) -> None:
    """Addresses are written to disk and shown: a secret must not be in one, nor in the message that says so."""
    with pytest.raises(MilvusError, match="VILEM_MILVUS_TOKEN") as caught:
        target_of(uri)

    assert "hunter2" not in str(caught.value)
