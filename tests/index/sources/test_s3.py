"""Sources on S3, through the plain job: shards, tables of URLs and folders, with a server in this process."""

from collections.abc import Generator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.sources import open_source, read_uri
from models.bundle import Bundle
from tests.index.support import collection_for, picture, run_job, stored_ids, write_pictures
from tests.support.data import write_tar
from tests.support.s3_server import s3_server, upload


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A folder that is also the bucket `corpus`: pictures, a shard, and tables that name pictures of the bucket."""
    folder = tmp_path_factory.mktemp("corpus")
    write_pictures(folder / "images", range(4))
    members = [(f"{at}.{end}", data) for at in range(3) for end, data in (("png", picture(50 + at)), ("txt", b"a dog"))]
    write_tar(folder / "part-0.tar", members)
    urls = [*(f"s3://corpus/images/{at:03d}.png" for at in range(3)), "s3://corpus/gone.png", "s3://nobody/x.png"]
    pq.write_table(pa.table({"path": urls, "caption": ["a cat"] * 5, "n": range(5)}), folder / "urls.parquet")
    (folder / "inside.csv").write_text("path\nimages/003.png\n")
    with s3_server() as environment, pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        upload(folder, "corpus")
        yield folder


def test_shards_are_read_where_they_lie(tmp_path: Path, tiny_bundle: Path, corpus: Path) -> None:
    """The rows are those of the same shard on a disk; each picture is fetched by its place in the tar."""
    bundle = Bundle.open(tiny_bundle)
    here, there = collection_for(bundle, tmp_path, "here"), collection_for(bundle, tmp_path, "there")

    run_job(here, open_source(str(corpus / "part-0.tar")), bundle)
    summary = run_job(there, open_source("s3://corpus/part-{0..0}.tar"), bundle)

    assert (3, 3) == (summary.embedded, summary.captions + 2)
    assert here.latest().known(stored_ids(here)) == there.latest().known(stored_ids(there))
    for record in there.latest().first(3):
        assert record.uri.startswith("s3://corpus/part-0.tar#offset=") and ("a dog",) == record.captions
        assert picture(50 + int(record.id[-1])) == read_uri(record.uri)


def test_a_parquet_table_of_urls(tmp_path: Path, tiny_bundle: Path, corpus: Path) -> None:
    """The table lies on S3 and so do its pictures; those that are not there are rejected, one by one."""
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, tmp_path)

    summary = run_job(collection, open_source("s3://corpus/urls.parquet"), bundle)

    assert [f"s3://corpus/images/{at:03d}.png" for at in range(3)] == stored_ids(collection)
    assert {"missing-file": 2} == summary.rejected
    assert [0, 1, 2] == sorted(record.metadata["n"] for record in collection.latest().first(3))


def test_folders_and_paths_inside_a_bucket(tmp_path: Path, tiny_bundle: Path, corpus: Path) -> None:
    """A folder is a prefix; a relative path of a table starts from the table's."""
    bundle = Bundle.open(tiny_bundle)
    folder, table = collection_for(bundle, tmp_path, "folder"), collection_for(bundle, tmp_path, "table")

    run_job(folder, open_source("s3://corpus/images"), bundle)
    run_job(table, open_source("s3://corpus/inside.csv"), bundle)

    assert [f"{at:03d}.png" for at in range(4)] == stored_ids(folder)
    assert ["s3://corpus/images/003.png"] == [record.uri for record in table.latest().first(9)]
