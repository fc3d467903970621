"""Videos on the search page, in a real browser: told from pictures, seen and played from the moment that was found."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Request, expect

from index.publish import publish
from index.sources import open_source
from models.bundle import Bundle
from tests.index.support import collection_for, run_job
from tests.support.browser import Watched, chromium, needs_chromium, watching
from tests.support.collections import colour_picture, link_bundle
from tests.support.servers import serving
from tests.support.videos import colour_video

pytestmark = needs_chromium

# red for two seconds, then blue for two
FILM = "red-blue.webm"
MEDIA = re.compile(r"/items/[^/]+/image$")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with "films": one of two colours, a damaged file to be, and a picture."""
    home = tmp_path_factory.mktemp("films")
    link_bundle(home, tiny_bundle)
    (home / "source").mkdir()
    (home / "source" / FILM).write_bytes(colour_video("red", "blue", form="webm", seconds=2))
    (home / "source" / "gone.webm").write_bytes(colour_video("yellow", form="webm"))
    (home / "source" / "white.png").write_bytes(colour_picture("white"))
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, home / "collections", "films")
    run_job(collection, open_source(str(home / "source")), bundle)
    publish(collection.latest())
    (home / "source" / "gone.webm").unlink()
    return home


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """Of the server over it."""
    with serving(home, home / "log", poll_s=0.05) as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.fixture(scope="module")
def window(address: str) -> Iterator[Watched]:
    """A headless Chromium with the page; opening one for each test would take longer than they do."""
    with chromium() as browser, watching(browser, address) as watched:
        yield watched


@pytest.fixture
def blue(window: Watched) -> Iterator[Watched]:
    """The page with the answer to "blue": the film is first."""
    window.page.goto(f"{window.home}/?q=blue")
    window.wait_for_first(FILM)
    yield window
    assert [] == window.errors
    assert [] == window.abroad


def film(watched: Watched) -> Locator:
    """The player, after a click on the first hit."""
    watched.page.locator("#results .open").first.click()
    video = watched.page.locator("#detail-video")
    expect(video).to_be_visible()
    return video


def test_a_hit_shows_the_moment_and_says_that_it_is_a_video(blue: Watched) -> None:
    """Among the hits a video has the still of the moment that fits the words and tells its time; a picture has neither."""
    first = blue.page.locator("#results .hit").first
    still = first.locator("img")
    expect(still).to_have_js_property("complete", True)

    assert "at=2" in (still.get_attribute("src") or "")
    expect(first.locator(".clip")).to_have_text("Video, found at 0:02")
    assert "Video, found at 0:02" in first.locator(".open").inner_text().replace("\n", " ")
    picture = blue.page.locator("#results .hit", has=blue.page.locator("[data-id='white.png']"))
    expect(picture.locator(".clip")).to_have_count(0)


def test_the_facts_tell_the_time_and_the_file(blue: Watched) -> None:
    """Length and moment are among the facts, as players tell times, and the link leads to the file, at the moment."""
    film(blue)

    facts = blue.page.locator("#detail-facts").inner_text()
    assert re.search(r"length\s+0:0[34]", facts)
    assert re.search(r"found at\s+0:02", facts)
    expect(blue.page.locator("#detail-original")).to_have_attribute("href", re.compile(rf"{FILM}/image#t=2$"))
    # times are told as players do
    times = [0, 7.9, 67.5, 600, 3599.99, 3727]

    shown = blue.page.evaluate("async (times) => times.map((await import('/static/player.js')).clock)", times)

    assert ["0:00", "0:07", "1:07", "10:00", "59:59", "1:02:07"] == shown


def test_it_plays_from_the_moment_when_a_person_asks(blue: Watched) -> None:
    """Nothing of the file is asked for before; then it begins where the words fit."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if MEDIA.search(request.url.partition("#")[0]):
            asked.append(request.url)

    blue.page.on("request", note)
    video = film(blue)
    assert f"{FILM}/thumbnail?at=2" in (video.get_attribute("poster") or "")
    assert [] == asked
    expect(video).to_have_attribute("aria-label", f"Video: {FILM}")

    video.evaluate("video => video.addEventListener('playing', () => (window.began ??= video.currentTime))")
    video.focus()
    blue.page.keyboard.press("Space")

    blue.page.wait_for_function("() => window.began !== undefined")
    assert 2 <= blue.page.evaluate("window.began") < 2.5
    assert 1 <= len(asked)


def test_keys_in_the_player_are_the_players(blue: Watched) -> None:
    """Arrows move within the video while it has the focus, and lead to the next hit elsewhere; that one is a picture or its own."""
    video = film(blue)
    video.focus()
    blue.page.keyboard.press("ArrowRight")
    expect(blue.page.locator("#detail-title")).to_have_text(FILM)

    blue.page.locator("#detail-like").focus()
    for _ in range(2):
        blue.page.keyboard.press("ArrowRight")
        if blue.page.locator("#detail-title").inner_text() == "white.png":
            break

    expect(video).to_be_hidden()
    expect(blue.page.locator("#detail-image")).to_be_visible()
    expect(blue.page.locator("#detail-image")).to_have_js_property("naturalWidth", 48)
    assert video.get_attribute("src") is None


def test_what_is_closed_is_heard_no_more(blue: Watched) -> None:
    """Closing the item stops its video and lets go of the file; opened again it waits at the moment."""
    video = film(blue)
    video.evaluate("video => video.play()")
    expect(video).to_have_js_property("paused", False)

    blue.page.keyboard.press("Escape")
    expect(blue.page.locator("#detail")).to_be_hidden()
    assert (True, None) == (video.evaluate("video => video.paused"), video.get_attribute("src"))

    again = film(blue)
    assert (again.get_attribute("src") or "").endswith(f"{FILM}/image#t=2")
    assert again.evaluate("video => video.paused")


def test_a_video_that_cannot_be_played_says_so(window: Watched) -> None:
    """Its still is there all the same; who asks for it is told, until another item is shown."""
    window.page.goto(f"{window.home}/?q=yellow")
    window.wait_for_first("gone.webm")
    video = film(window)
    fault = window.page.locator("#detail-unplayable")
    expect(fault).to_be_hidden()

    video.evaluate("video => video.play().catch(() => null)")
    expect(fault).to_contain_text("cannot play")

    window.page.locator("#detail-next").click()
    expect(fault).to_be_hidden()
    # the browser's own word for a file that is gone
    assert all("404" in error for error in window.errors)
    window.errors.clear()
