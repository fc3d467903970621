"""Real photographs, from the command line to the HTTP answer, with the model that ships: each finds itself."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.data import real_data
from tests.support.servers import Server, serving

# at once: enough to keep batches filled
CLIENTS = 8
# scores come from float16 vectors: pictures that are alike to the last digit may stand in either order
TIE = 1e-3


def coco() -> dict[str, bytes]:
    """Photographs of real size, by id: JPEGs of about 640 by 480."""
    folder = real_data("coco-mini", "images")
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}


def shard(name: str) -> dict[str, bytes]:
    """The photographs of a WebDataset shard, by id."""
    with tarfile.open(real_data(name, "val-000.tar")) as tar:
        members = [member for member in tar if member.name.endswith(".jpg")]
        return {f"val-000/{Path(member.name).stem}": _bytes(tar, member) for member in members}


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file
    return file.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The three corpora, each built by one command, and served."""
    home = tmp_path_factory.mktemp("home")
    sources = {
        "coco": real_data("coco-mini", "images"),
        "fashion": real_data("fashion", "val-000.tar"),
        "flickr8k": real_data("flickr8k", "val-000.tar"),
    }
    for name, source in sources.items():
        command = ["index", "build", name, str(source), "--model", "scenes-s", "--home", str(home)]
        done = subprocess.run([sys.executable, "-m", "vilem", *command], capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr
    with serving(home, home / "log") as running:
        yield running


def search(client: httpx.Client, collection: str, picture: bytes, **options: object) -> list[dict[str, object]]:
    """The hits for an uploaded picture."""
    answer = client.post(
        f"/v1/collections/{collection}/search/image", files={"file": ("query.jpg", picture)}, data=options
    )
    assert httpx.codes.OK == answer.status_code, answer.text
    return answer.json()["hits"]


@pytest.mark.parametrize(("name", "count"), [("coco", 80), ("fashion", 500), ("flickr8k", 1_000)])
def test_every_photograph_finds_itself(server: Server, name: str, count: int) -> None:
    """Sent back as a query, each photograph is the first hit, with a score of 1; only its equal may stand before it."""
    pictures = coco() if name == "coco" else shard(name)
    assert count == len(pictures)

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda picture: search(server.client, name, picture, limit=3), pictures.values()))

    for item_id, hits in zip(pictures, answers, strict=True):
        own = [hit["score"] for hit in hits if hit["id"] == item_id]
        assert own, (item_id, hits)
        assert own[0] == pytest.approx(1, abs=TIE)
        assert hits[0]["score"] == pytest.approx(own[0], abs=TIE), (item_id, hits)


def test_metadata_and_captions_come_with_the_hit(server: Server) -> None:
    """A catalogue's attributes and titles are in the answer as they are in the shard."""
    item_id, picture = next(iter(shard("fashion").items()))

    (hit,) = search(server.client, "fashion", picture, limit=1)

    assert item_id == hit["id"]
    metadata = hit["metadata"]
    assert isinstance(metadata, dict)
    assert {"gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "usage"} <= set(metadata)
    assert hit["captions"]


def test_a_photograph_is_served_as_it_is(server: Server) -> None:
    """The image of an item is its file, whether that lies in a folder or inside a tar."""
    for name, pictures in (("coco", coco()), ("flickr8k", shard("flickr8k"))):
        item_id, picture = next(iter(pictures.items()))
        assert picture == server.client.get(f"/v1/collections/{name}/items/{item_id}/image").content
