"""Pictures that came with a request."""

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from index.sources import read_uri
from index.uploads import UPLOADS, keep, located

DATA = b"not really a picture"
SHA256 = hashlib.sha256(DATA).hexdigest()


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    """The address leads to the bytes, also when the folder was moved in between."""
    (tmp_path / "old").mkdir()
    address = keep(tmp_path / "old", DATA, SHA256)
    (tmp_path / "old").rename(tmp_path / "new")

    assert DATA == read_uri(located(tmp_path / "new", address), max_bytes=100)


def test_one_content_is_one_file(tmp_path: Path) -> None:
    """A picture that comes twice takes its room once; what a kill cut short is written anew."""
    address = keep(tmp_path, DATA, SHA256)
    files = [path for path in (tmp_path / UPLOADS).rglob("*") if path.is_file()]
    files[0].write_bytes(DATA[:3])

    assert address == keep(tmp_path, DATA, SHA256)
    assert [path for path in (tmp_path / UPLOADS).rglob("*") if path.is_file()] == files
    assert DATA == files[0].read_bytes()


@given(
    st.text(max_size=40).map(lambda tail: f"upload:{tail}")
    | st.sampled_from(["file:///a.png", "s3://b/c", "", f"upload:{SHA256}/..", f"upload:{SHA256.upper()}"])
)
def test_nothing_else_is_an_upload(uri: str) -> None:
    """Only the scheme with a SHA-256 leads into the folder of uploads: no address can name another file."""
    assert uri == located(Path("/srv/collection"), uri)
