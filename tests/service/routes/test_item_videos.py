"""Collections of videos over HTTP: found by text, told by their best moment, seen by stills, sent in parts."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from index.collection import Collection
from index.publish import publish
from index.sources import open_source
from models.bundle import Bundle
from service.app import create_app
from service.settings import Settings
from tests.index.support import collection_for, run_job
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture, link_bundle
from tests.support.tiny_bundle import COLOURS
from tests.support.videos import colour_video

FILMS = "/v1/collections/films"
RED_BLUE = colour_video("red", "blue")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with "films": red then blue for two seconds each, green then yellow, and a white picture."""
    home = tmp_path_factory.mktemp("films")
    link_bundle(home, tiny_bundle)
    folder = home / "source"
    folder.mkdir()
    (folder / "red-blue.mp4").write_bytes(RED_BLUE)
    (folder / "green-yellow.webm").write_bytes(colour_video("green", "yellow", form="webm"))
    (folder / "white.png").write_bytes(colour_picture("white"))
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, home / "collections", "films")
    run_job(collection, open_source(str(folder)), bundle)
    publish(collection.latest())
    return home


@pytest.fixture(scope="module")
def films(home: Path) -> Iterator[TestClient]:
    """The app over it."""
    with TestClient(create_app(Settings(home=home)), base_url=ADDRESS, raise_server_exceptions=False) as client:
        wait_until_ready(client)
        yield client


def _search(client: TestClient, text: str, **options: object) -> list[dict]:
    answer = client.post(f"{FILMS}/search", json={"query": {"text": text}, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()["hits"]


def _colour(data: bytes) -> str:
    levels = Image.open(io.BytesIO(data)).convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert isinstance(levels, tuple)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], levels, strict=True)))


@pytest.mark.parametrize(("colour", "item", "seconds"), [("red", "red-blue.mp4", 0), ("blue", "red-blue.mp4", 2)])
def test_a_text_finds_the_video_and_its_moment(films: TestClient, colour: str, item: str, seconds: float) -> None:
    """The best hit is the video; its moment is where the colour is shown, and so is the moment's thumbnail."""
    first = _search(films, colour)[0]

    assert (item, seconds) == (first["id"], first["moment"]["seconds"])
    assert first["moment"]["score"] > first["score"]
    assert {"seconds": 3.75, "moments": 4, "video_url": f"{FILMS}/items/{item}/image"} == first["video"]
    assert colour == _colour(films.get(first["moment"]["thumbnail_url"]).content)


def test_pages_by_cursor_tell_moments_too(films: TestClient) -> None:
    """However a page is asked for, its hits are the same to the last part."""
    assert _search(films, "blue") == _search(films, "blue", cursor="*")


def test_a_picture_beside_videos(films: TestClient) -> None:
    """It is found among them, and has neither moments nor a video."""
    first = _search(films, "white")[0]

    assert ("white.png", None, None) == (first["id"], first["moment"], first["video"])
    assert f"{FILMS}/items/white.png/image" == first["image_url"]


def test_a_text_finds_moments(films: TestClient) -> None:
    """Moments are hits of their own: those of the right colour first, no two beside each other, pages of one order."""
    hits = _search(films, "yellow", target="moments")

    assert ("green-yellow.webm", True) == (hits[0]["id"], hits[0]["moment"]["seconds"] >= 2)
    assert all(hit["score"] == hit["moment"]["score"] and hit["caption"] is None for hit in hits)
    assert {"red-blue.mp4", "green-yellow.webm"} == {hit["id"] for hit in hits}
    assert hits[1:3] == _search(films, "yellow", target="moments", offset=1, limit=2)
    again = films.post(f"{FILMS}/search", json={"query": {"text": "yellow"}, "target": "moments"}).json()
    assert (True, hits) == (again["cached"], again["hits"])


def test_moments_of_what_was_judged_are_left_out(films: TestClient) -> None:
    """A query of parts finds moments; of a video that was liked, or asked with, there are none, however many it has."""
    both = {"parts": [{"text": "yellow"}, {"text": "red"}]}

    def found(query: dict) -> set[str]:
        answer = films.post(f"{FILMS}/search", json={"query": query, "target": "moments", "limit": 20})
        assert 200 == answer.status_code, answer.text
        return {hit["id"] for hit in answer.json()["hits"]}

    assert {"red-blue.mp4", "green-yellow.webm"} == found(both)
    assert {"green-yellow.webm"} == found({**both, "feedback": {"liked": ["red-blue.mp4"]}})
    assert {"red-blue.mp4"} == found({"parts": [{"id": "green-yellow.webm"}, {"text": "red"}]})


def test_a_picture_finds_moments(films: TestClient) -> None:
    """An uploaded one, and an item, which is left out itself."""
    upload = films.post(
        f"{FILMS}/search/image", files={"file": colour_picture("blue")}, data={"target": "moments", "limit": 1}
    ).json()["hits"]
    by_item = films.post(f"{FILMS}/search", json={"query": {"id": "red-blue.mp4"}, "target": "moments"}).json()["hits"]

    assert ("red-blue.mp4", 2.0) == (upload[0]["id"], upload[0]["moment"]["seconds"])
    assert by_item and {"green-yellow.webm"} == {hit["id"] for hit in by_item}


def test_moments_are_not_re_ranked(films: TestClient) -> None:
    """Nothing is stored of them that a proofreader could read."""
    body = {"query": {"text": "red"}, "target": "moments", "rerank": "proofread"}

    assert 422 == films.post(f"{FILMS}/search", json=body).status_code


def test_the_collection_counts_its_moments(films: TestClient) -> None:
    """Beside items and captions."""
    (seen,) = films.get("/v1/collections").json()["collections"]

    assert (3, 0, 8) == (seen["count"], seen["captions"], seen["moments"])


@pytest.mark.parametrize(("query", "colour"), [("", "blue"), ("?at=0", "red"), ("?at=1.4", "red"), ("?at=99", "blue")])
def test_stills(films: TestClient, query: str, colour: str) -> None:
    """Of the moment nearest to the time that is asked for, or of the middle one; tagged, so that it is sent once."""
    answer = films.get(f"{FILMS}/items/red-blue.mp4/thumbnail{query}")

    assert ("image/jpeg", colour) == (answer.headers["content-type"], _colour(answer.content))
    again = films.get(answer.request.url.raw_path.decode(), headers={"If-None-Match": answer.headers["etag"]})
    assert 304 == again.status_code


def test_stills_are_as_small_as_asked_for(films: TestClient) -> None:
    """A still is a thumbnail as others are; times that are none are refused."""
    small = films.get(f"{FILMS}/items/red-blue.mp4/thumbnail?at=0&size=32")

    assert 32 == max(Image.open(io.BytesIO(small.content)).size)
    for bad in ("-1", "nan", "inf", "x"):
        assert 422 == films.get(f"{FILMS}/items/red-blue.mp4/thumbnail?at={bad}").status_code
    shown = films.get(f"{FILMS}/items/red-blue.mp4").json()
    assert "image/jpeg" == films.get(shown["image_url"]).headers["content-type"]


def test_a_picture_has_no_times(films: TestClient) -> None:
    """Asked for one, it shows itself."""
    assert "white" == _colour(films.get(f"{FILMS}/items/white.png/thumbnail?at=3").content)


def test_a_video_is_sent_whole(films: TestClient) -> None:
    """The file as it was indexed, typed by content, never run as something else."""
    answer = films.get(f"{FILMS}/items/red-blue.mp4/image")

    assert (200, RED_BLUE, "video/mp4") == (answer.status_code, answer.content, answer.headers["content-type"])
    assert (str(len(RED_BLUE)), "bytes") == (answer.headers["content-length"], answer.headers["accept-ranges"])
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "video/webm" == films.get(f"{FILMS}/items/green-yellow.webm/image").headers["content-type"]


@pytest.mark.parametrize(("asked", "part"), [("bytes=10-19", slice(10, 20)), ("bytes=-7", slice(-7, None))])
def test_a_video_is_sent_in_parts(films: TestClient, asked: str, part: slice) -> None:
    """As players ask for it."""
    answer = films.get(f"{FILMS}/items/red-blue.mp4/image", headers={"Range": asked})

    start, end, _ = part.indices(len(RED_BLUE))
    assert (206, RED_BLUE[part]) == (answer.status_code, answer.content)
    assert f"bytes {start}-{end - 1}/{len(RED_BLUE)}" == answer.headers["content-range"]


def test_parts_that_are_not_there(films: TestClient) -> None:
    """Behind the end: 416 with the length. Of another version: all of this one."""
    address = f"{FILMS}/items/red-blue.mp4/image"

    behind = films.get(address, headers={"Range": "bytes=999999999-"})
    other = films.get(address, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    same = films.get(address, headers={"Range": "bytes=0-1", "If-Range": other.headers["etag"]})

    assert (416, f"bytes */{len(RED_BLUE)}") == (behind.status_code, behind.headers["content-range"])
    assert (200, 206, 2) == (other.status_code, same.status_code, len(same.content))
    assert 304 == films.get(address, headers={"If-None-Match": other.headers["etag"]}).status_code


def test_a_video_that_changed_is_not_sent(films: TestClient, home: Path) -> None:
    """Another file lies there, or none: the stills stay, the file is a problem that says so."""
    path = home / "source" / "green-yellow.webm"
    data = path.read_bytes()
    try:
        path.write_bytes(data[:-1] + b"x")
        changed = films.get(f"{FILMS}/items/green-yellow.webm/image")
        path.unlink()
        gone = films.get(f"{FILMS}/items/green-yellow.webm/image")
        still = films.get(f"{FILMS}/items/green-yellow.webm/thumbnail?at=0")
    finally:
        path.write_bytes(data)

    assert ["/problems/image-missing"] * 2 == [answer.json()["type"] for answer in (changed, gone)]
    assert (404, 404, 200) == (changed.status_code, gone.status_code, still.status_code)


def test_a_removed_video_is_gone(films: TestClient, home: Path) -> None:
    """With its moments, at once, and what is written of others stays."""
    path = home / "source" / "short.mp4"
    path.write_bytes(colour_video("orange", seconds=1))
    bundle = Bundle.open(next((home / "bundles").iterdir()))
    run_job(Collection.open(home / "collections", "films"), open_source(str(home / "source")), bundle)
    try:
        _until(lambda: "short.mp4" == _search(films, "orange", target="moments")[0]["id"])
    finally:
        path.unlink()
        answer = films.request("DELETE", f"{FILMS}/items", json={"ids": ["short.mp4"]})

    assert 200 == answer.status_code, answer.text
    _until(lambda: "short.mp4" not in {hit["id"] for hit in _search(films, "orange", target="moments")})
    assert 404 == films.get(f"{FILMS}/items/short.mp4/thumbnail").status_code


def _until(done: object) -> None:
    import time

    until = time.monotonic() + 15
    while not done():  # pyright: ignore[reportCallIssue]
        assert time.monotonic() < until
        time.sleep(0.1)
