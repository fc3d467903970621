"""index.engines.ray_job: the embedding job on a real cluster of several nodes."""

from collections.abc import Generator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.collection import Collection
from index.engines.ray_job import RayOptions, embed_on_ray
from index.options import EmbedOptions
from index.progress import Summary
from index.sources import open_source
from index.sources.item import Source
from models.bundle import Bundle
from tests.index.engines.support import contents, mixed_corpus, rejects_of
from tests.index.support import collection_for, picture, run_job
from tests.support.data import write_tar
from tests.support.ray_nodes import Nodes, ray_nodes
from tests.support.s3_server import s3_server, upload

# of a machine that does much else meanwhile
pytestmark = pytest.mark.timeout(400)
OPTIONS = EmbedOptions(chunk_rows=8, image_batch=4)


@pytest.fixture(scope="module")
def nodes() -> Generator[Nodes]:
    """Two nodes of one CPU each, whose processes know an S3 server."""
    with s3_server() as environment, ray_nodes(1, 1, environment=environment) as found:
        yield found


def _run(collection: Collection, source: Source, bundle: Bundle, workers: int) -> Summary:
    with embed_on_ray(collection, source, bundle, OPTIONS, RayOptions("auto", workers)) as job:
        for _ in job:
            pass
    return job.summary


def test_a_cluster_gives_what_the_plain_job_gives(tmp_path: Path, tiny_bundle: Path, nodes: Nodes) -> None:
    """Same rows, captions, vectors and rejects, in one commit; actors that take every CPU leave the reading room."""
    bundle = Bundle.open(tiny_bundle)
    source = open_source(str(mixed_corpus(tmp_path, 60)))
    plain, clustered = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "clustered")
    expected, version = run_job(plain, source, bundle), clustered.version

    found = _run(clustered, source, bundle, workers=2)

    assert contents(plain) == contents(clustered) and 60 == found.embedded
    assert rejects_of(plain) == rejects_of(clustered)
    assert (expected.seen, expected.embedded, expected.rejected) == (found.seen, found.embedded, found.rejected)
    assert version + 1 == clustered.latest().version


def test_shards_and_urls_on_s3_are_embedded_by_a_cluster(tmp_path: Path, tiny_bundle: Path, nodes: Nodes) -> None:
    """Shards, and a Parquet table of S3 URLs, give the rows that they give on a disk; credentials are the environment's."""
    bundle = Bundle.open(tiny_bundle)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for shard in range(3):
        members = [(f"{at:03d}.{end}", data) for at in range(8) for end, data in (
            ("png", picture(100 * shard + at)), ("txt", f"a dog {at}".encode()),
        )]  # fmt: skip
        write_tar(corpus / f"part-{shard}.tar", members)
    (corpus / "one.png").write_bytes(picture(7))
    urls = pa.table({"path": ["s3://corpus/one.png", "s3://corpus/gone.png"], "captions": [["a cat"], ["gone"]]})
    pq.write_table(urls, corpus / "urls.parquet")
    upload(corpus, "corpus")
    here, there = collection_for(bundle, tmp_path, "here"), collection_for(bundle, tmp_path, "there")
    run_job(here, open_source(f"{corpus}/part-*.tar"), bundle)

    shards = _run(there, open_source("s3://corpus/part-{0..2}.tar"), bundle, workers=1)
    table = _run(there, open_source("s3://corpus/urls.parquet"), bundle, workers=1)

    found = contents(there)
    assert 24 == shards.embedded and 1 == table.embedded and {"missing-file": 1} == table.rejected
    assert contents(here).keys() | {"s3://corpus/one.png"} == found.keys()
    for item_id, row in contents(here).items():
        assert all(found[item_id][column] == row[column] for column in ("sha256", "captions", "vector", "of captions"))


def test_a_node_that_is_killed_costs_no_row(tmp_path: Path, tiny_bundle: Path, nodes: Nodes) -> None:
    """A node is killed while half of the corpus is to come: its blocks are embedded elsewhere, and each row is there once."""
    bundle = Bundle.open(tiny_bundle)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(200):
        (images / f"{number:03d}.png").write_bytes(picture(number, size=(480, 400)))
    collection = collection_for(bundle, tmp_path)

    killed_at = None
    with embed_on_ray(collection, open_source(str(images)), bundle, OPTIONS, RayOptions("auto", 2)) as job:
        for progress in job:
            if killed_at is None and progress.seen >= 16:
                nodes.kill()
                killed_at = progress.seen

    assert killed_at is not None and killed_at < 100
    assert [f"{number:03d}.png" for number in range(200)] == sorted(contents(collection))
    assert 200 == job.summary.seen == job.summary.embedded == collection.latest().count()
    assert job.summary.finished
