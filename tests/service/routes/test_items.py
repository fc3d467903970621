"""Items, their pictures and thumbnails."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture, make_colours

ITEMS = "/v1/collections/colours/items"
ODD = ["a/b/c", "it's 100%", "писк ✓", "..", "../../../etc/passwd", "a/image/b", "?x=1#y"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[tuple[TestClient, Path]]:
    """An app over a collection with ids that look like paths and URLs, and its home."""
    home = tmp_path_factory.mktemp("odd")
    make_colours(home, tiny_bundle, ids=ODD)
    with TestClient(create_app(Settings(home=home)), base_url=ADDRESS, raise_server_exceptions=False) as client:
        wait_until_ready(client)
        yield client, home


def test_an_item_has_its_record(client: TestClient) -> None:
    """An item answers captions, metadata, size and URLs, and the generation and version that it was read from."""
    item = client.get(f"{ITEMS}/purple-2").json()

    collection = client.get("/v1/collections/colours").json()
    assert ("g0", collection["version"]) == (item["generation"], item["version"])
    assert ("purple-2", ["purple", "a photo of purple"]) == (item["id"], item["captions"])
    assert {"colour": "purple", "shade": 2, "note": None} == item["metadata"]


def test_the_picture_is_the_file_that_was_indexed(client: TestClient) -> None:
    """The picture's bytes are unchanged, typed by content, never sniffed, and tagged by their hash."""
    answer = client.get(f"{ITEMS}/green-1/image")

    assert colour_picture("green", 1) == answer.content
    assert "image/png" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "default-src 'none'" == answer.headers["content-security-policy"]
    assert 64 == len(answer.headers["etag"].strip('"'))
    assert "private, no-cache" == answer.headers["cache-control"]


@pytest.mark.parametrize("part", ["image", "thumbnail"])
def test_a_picture_that_the_client_has_is_not_sent_again(client: TestClient, part: str) -> None:
    """With the ETag of the last answer, alone, weak or among others, or with * for any, the answer is 304 without a body."""
    first = client.get(f"{ITEMS}/green-1/{part}")
    tag = first.headers["etag"]

    for tags in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(f"{ITEMS}/green-1/{part}", headers={"If-None-Match": tags})
        assert (304, b"", tag) == (again.status_code, again.content, again.headers["etag"])
    assert 200 == client.get(f"{ITEMS}/green-1/{part}", headers={"If-None-Match": '"other"'}).status_code


@pytest.mark.parametrize("size", [32, 256, 512])
def test_a_thumbnail_is_a_small_jpeg(client: TestClient, size: int) -> None:
    """A thumbnail's longer side is at most its size; the second answer, from memory, is the same."""
    first, second = (client.get(f"{ITEMS}/red-0/thumbnail", params={"size": size}) for _ in range(2))

    assert first.content == second.content
    picture = Image.open(io.BytesIO(first.content))
    assert ("JPEG", min(size, 48)) == (picture.format, max(picture.size))


@pytest.mark.parametrize("size", ["0", "31", "513", "-1", "x", "1e9", ""])
def test_a_thumbnail_of_another_size_is_refused(client: TestClient, size: str) -> None:
    """Sizes outside 32-512 are 422: nobody makes the service enlarge."""
    assert 422 == client.get(f"{ITEMS}/red-0/thumbnail", params={"size": size}).status_code


@pytest.mark.parametrize("suffix", ["", "/image", "/thumbnail"])
@pytest.mark.parametrize(
    "item_id",
    ["none", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "file:%2F%2F%2Fetc%2Fpasswd", "%00", "x" * 512, "%F0%9F%A6%8A"],
)
def test_an_unknown_item_is_404(client: TestClient, item_id: str, suffix: str) -> None:
    """What is no id of the collection is 404, and no file is opened for it."""
    answer = client.get(f"{ITEMS}/{item_id}{suffix}")

    assert (404, "/problems/item-unknown") == (answer.status_code, answer.json()["type"])


def test_an_id_that_is_too_long_is_refused(client: TestClient) -> None:
    """An id longer than any can be is 422."""
    assert 422 == client.get(f"{ITEMS}/{'x' * 513}").status_code


def test_odd_ids_are_reachable_by_their_urls(odd: tuple[TestClient, Path]) -> None:
    """Whatever an id looks like, the URLs that the service gives lead to its record, picture and thumbnail."""
    client, _ = odd
    hits = client.post("/v1/collections/colours/search", json={"query": {"text": "red"}, "limit": 50}).json()["hits"]

    assert set(ODD) == {hit["id"] for hit in hits}
    for hit in hits:
        if hit["id"] in ("..", "../../../etc/passwd"):
            # clients resolve dots before they send
            continue
        assert hit["id"] == client.get(hit["image_url"].removesuffix("/image")).json()["id"]
        assert "image/png" == client.get(hit["image_url"]).headers["content-type"]
        assert "image/jpeg" == client.get(hit["thumbnail_url"]).headers["content-type"]


def test_a_picture_that_is_gone_is_404(odd: tuple[TestClient, Path]) -> None:
    """When the file behind an item was removed, its image and thumbnail say so; the record is still there."""
    client, home = odd
    place = ODD.index("it's 100%")
    (home / "pictures" / f"{place}.png").unlink()
    address = f"{ITEMS}/it's 100%25"

    answers = [client.get(f"{address}{suffix}") for suffix in ("/image", "/thumbnail?size=99", "")]

    assert [404, 404, 200] == [answer.status_code for answer in answers]
    assert ["/problems/image-missing"] * 2 == [answer.json()["type"] for answer in answers[:2]]
    assert str(home) not in answers[0].text


def test_another_file_in_a_pictures_place_is_not_handed_out(odd: tuple[TestClient, Path]) -> None:
    """What took the place of an indexed picture is neither served nor kept as its thumbnail, whatever it is."""
    client, home = odd
    path = home / "pictures" / f"{ODD.index('a/b/c')}.png"
    indexed = path.read_bytes()

    for other in (b"<script>alert(1)</script>", colour_picture("blue")):
        path.write_bytes(other)
        for part in ("image", "thumbnail?size=98"):
            answer = client.get(f"{ITEMS}/a/b/c/{part}")
            assert (404, "/problems/image-missing") == (answer.status_code, answer.json()["type"])

    path.write_bytes(indexed)
    small = Image.open(io.BytesIO(client.get(f"{ITEMS}/a/b/c/thumbnail?size=98").content))
    assert Image.open(io.BytesIO(indexed)).convert("RGB").getpixel((0, 0)) == pytest.approx(
        small.getpixel((0, 0)), abs=4
    )
