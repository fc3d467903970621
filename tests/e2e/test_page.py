"""The search page in a real browser, on the real server: what a person does, with the mouse and without."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Watched, chromium, needs_chromium, watching
from tests.support.collections import colour_picture, make_colours
from tests.support.servers import Server, serving, wait_until

pytestmark = needs_chromium

# pictures of the collection: eight colours in three shades
COUNT = 24
PHONE = {"width": 375, "height": 740}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with the collection "colours"."""
    folder = tmp_path_factory.mktemp("home")
    make_colours(folder, tiny_bundle)
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """`vilem serve` over it, ready."""
    with serving(home, home / "log", poll_s=0.05) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Watched]:
    """The page, freshly opened; whatever a test did, it ends without an error and without leaving the host."""
    with watching(browser, f"http://127.0.0.1:{server.port}") as watched:
        expect(watched.page.locator("#welcome")).to_contain_text("Search")
        yield watched
        assert [] == watched.errors
        assert [] == watched.abroad


def asks_with_a_picture(watched: Watched, kind: str) -> None:
    """Bring the picture green-1 in and expect it as the first hit."""
    watched.bring(colour_picture("green", 1), kind=kind)

    watched.wait_for_first("green-1")
    expect(watched.page.locator("#chip-text")).to_have_text("query.png")


def answers(watched: Watched, text: str) -> None:
    """Wait for the answer to *text*, a colour, to be shown."""
    expect(watched.page.locator("#announce")).to_contain_text(f"“{text}”")
    watched.wait_for_first(text)


def test_the_beginning_shows_what_there_is(opened: Watched) -> None:
    """Without a query the page says how much can be searched, offers examples and shows pictures."""
    expect(opened.page.locator("#welcome h2")).to_have_text(f"Search {COUNT} images")
    expect(opened.page.locator("#facts")).to_contain_text("colours")

    assert len(opened.shown()) > 0
    assert opened.page.locator("#welcome .examples button").count() > 0


def test_typing_finds(opened: Watched) -> None:
    """Letters typed into the field, and nothing pressed, bring the pictures that fit, with the time it took."""
    opened.page.locator("#query").press_sequentially("a photo of blue", delay=15)

    expect(opened.page.locator("#announce")).to_contain_text("“a photo of blue”")
    opened.wait_for_first("blue")
    expect(opened.page.locator("#timings")).to_contain_text("ms")
    expect(opened.page.locator("#results img").first).to_have_js_property("complete", True)
    assert opened.page.locator("#results img").first.evaluate("image => image.naturalWidth") > 0


def test_an_example_is_a_search(opened: Watched) -> None:
    """A click on an example searches it, and the field holds it."""
    example = opened.page.locator("#welcome .examples button").first
    text = example.inner_text()

    example.click()

    expect(opened.page.locator("#query")).to_have_value(text)
    expect(opened.page.locator("#timings")).to_contain_text("ms")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_brought_in_finds_itself(opened: Watched, kind: str) -> None:
    """A picture dropped anywhere on the page, or pasted, is the query, and comes first."""
    asks_with_a_picture(opened, kind)


def test_a_chosen_file_finds_itself(opened: Watched) -> None:
    """The file dialog leads to the same."""
    picture = {"name": "mine.png", "mimeType": "image/png", "buffer": colour_picture("blue", 2)}

    opened.page.locator("#file").set_input_files(picture)  # pyright: ignore[reportArgumentType] # a FilePayload

    opened.wait_for_first("blue-2")


def test_words_take_the_place_of_a_picture(opened: Watched) -> None:
    """Typing beside a picture asks for the words; removing the picture returns to the beginning."""
    asks_with_a_picture(opened, "drop")

    opened.page.locator("#query").press_sequentially("red")

    answers(opened, "red")
    expect(opened.page.locator("#chip")).to_be_hidden()

    asks_with_a_picture(opened, "drop")
    opened.page.locator("#chip-clear").click()

    expect(opened.page.locator("#welcome h2")).to_have_text(f"Search {COUNT} images")


def test_what_is_no_picture_is_refused_in_words(opened: Watched) -> None:
    """A text file dropped on the page is not sent: a note says what is taken."""
    opened.bring(b"hello", "letter.txt")

    expect(opened.page.locator("#notes")).to_contain_text("letter.txt is not a picture")


def test_more_like_this(opened: Watched) -> None:
    """A hit's detail shows its captions and metadata, and leads to pictures like it."""
    opened.page.locator("#query").fill("blue")
    answers(opened, "blue")
    first = opened.shown()[0]

    opened.page.locator("#results .open").first.click()
    expect(opened.page.locator("#detail")).to_contain_text("a photo of blue")
    expect(opened.page.locator("#detail-facts")).to_contain_text(first)
    opened.page.locator("#detail-like").click()

    expect(opened.page.locator("#chip-text")).to_have_text(f"Like {first}")
    expect(opened.page.locator("#announce")).to_contain_text(f"like {first}")
    assert all(each.startswith("blue") for each in opened.shown()[:2])


def test_a_picture_finds_captions(opened: Watched) -> None:
    """With the target on captions, a picture brings sentences: those of its own colour first."""
    asks_with_a_picture(opened, "drop")

    opened.page.locator("#target label", has_text="Captions").click()

    expect(opened.page.locator("#results .caption").first).to_contain_text("green")
    expect(opened.page.locator("#timings")).to_contain_text("captions")


def test_the_address_is_the_search(opened: Watched, browser: Browser) -> None:
    """A search can be shared by its address; Back returns to the search before."""
    page = opened.page
    page.locator("#query").fill("red")
    answers(opened, "red")
    page.locator("#results .open").first.click()
    page.locator("#detail-like").click()
    expect(page).to_have_url(re.compile(r"\?like=red-"))

    with watching(browser, opened.home, "/?q=yellow") as other:
        answers(other, "yellow")
    page.go_back()

    expect(page.locator("#query")).to_have_value("red")


def test_the_keyboard_is_enough(opened: Watched) -> None:
    """Slash, words, arrows, Enter, M and Escape: search, move, open, more like this, clear; no pointer needed."""
    keys, page = opened.page.keyboard, opened.page
    page.locator("#home").focus()

    keys.press("/")
    keys.type("black")
    answers(opened, "black")
    keys.press("ArrowDown")
    keys.press("ArrowRight")
    second = opened.shown()[1]
    assert second == page.evaluate("document.activeElement.dataset.id")

    keys.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
    expect(page.locator("#detail-facts")).to_contain_text(second)
    keys.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    assert second == page.evaluate("document.activeElement.dataset.id")

    keys.press("m")
    expect(page.locator("#chip-text")).to_have_text(f"Like {second}")
    keys.press("Escape")
    expect(page.locator("#welcome h2")).to_have_text(f"Search {COUNT} images")
    assert "query" == page.evaluate("document.activeElement.id")


def test_an_error_is_said_and_can_be_left(opened: Watched) -> None:
    """A picture that cannot be read gives the service's own sentence and a way on; the next search works."""
    opened.bring(b"\x89PNG\r\n\x1a\n and then nothing")

    expect(opened.page.locator("#problem")).to_be_visible()
    expect(opened.page.locator("#problem h2")).not_to_be_empty()
    opened.page.get_by_role("button", name="Clear the search").click()
    opened.page.locator("#query").fill("red")

    answers(opened, "red")
    expect(opened.page.locator("#problem")).to_be_hidden()
    # the browser itself notes the refused request
    assert all("422" in error or "400" in error for error in opened.errors)
    opened.errors.clear()


def test_an_unknown_item_is_said(browser: Browser, server: Server) -> None:
    """An address of an item that is gone says so instead of showing nothing."""
    with watching(browser, f"http://127.0.0.1:{server.port}", "/?like=nowhere") as watched:
        expect(watched.page.locator("#problem")).to_be_visible()
        expect(watched.page.locator("#problem")).to_contain_text("nowhere")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_whole(browser: Browser, server: Server, scheme: str) -> None:
    """At the width of a phone nothing stands beyond the edge, before and after a search, in either scheme."""
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    home = f"http://127.0.0.1:{server.port}"

    with watching(browser, home, viewport=PHONE, color_scheme=scheme, has_touch=True) as watched:
        expect(watched.page.locator("#welcome h2")).to_be_visible()
        assert 0 == watched.page.evaluate(beyond)
        watched.page.locator("#query").fill("a photo of orange")
        expect(watched.page.locator("#timings")).to_contain_text("ms")
        assert 0 == watched.page.evaluate(beyond)
        watched.page.locator("#results .open").first.tap()
        expect(watched.page.locator("#detail-like")).to_be_visible()
        assert 0 == watched.page.evaluate(beyond)


def test_dark_is_dark(browser: Browser, server: Server) -> None:
    """The page follows the system's colour scheme, and its text stays readable (contrast of at least 7 to 1)."""
    luminance = """() => ["backgroundColor", "color"].map((name) => {
      const [r, g, b] = getComputedStyle(document.body)[name].match(/[\\d.]+/g).slice(0, 3)
        .map((level) => level / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    })"""
    seen: dict[str, list[float]] = {}

    for scheme in ("light", "dark"):
        with watching(browser, f"http://127.0.0.1:{server.port}", color_scheme=scheme) as watched:
            seen[scheme] = watched.page.evaluate(luminance)

    assert seen["dark"][0] < 0.1 < 0.8 < seen["light"][0]
    for ground, text in seen.values():
        assert (max(ground, text) + 0.05) / (min(ground, text) + 0.05) >= 7


def test_nothing_of_a_collection_is_run(browser: Browser, tmp_path: Path, tiny_bundle: Path) -> None:
    """Ids full of markup and of characters with a meaning in addresses are text, and their pictures load."""
    ids = ["<img src=x onerror=alert(1)>", "a/b c?d#e%2F", "../../etc/passwd"]
    make_colours(tmp_path, tiny_bundle, ids=ids)

    with (
        serving(tmp_path, tmp_path / "log", poll_s=0.05) as server,
        watching(browser, f"http://127.0.0.1:{server.port}") as watched,
    ):
        expect(watched.page.locator("#results .open")).to_have_count(len(ids))
        for picture in watched.page.locator("#results img").all():
            expect(picture).not_to_have_js_property("naturalWidth", 0)
        assert sorted(ids) == sorted(watched.shown())
        assert [] == watched.errors


def test_no_collection_yet(browser: Browser, tmp_path: Path, tiny_bundle: Path) -> None:
    """With nothing to search the page says how to index, and shows the collection once it is published."""
    with serving(tmp_path, tmp_path / "log", wait=False, poll_s=0.05) as server:
        wait_until(server, "/healthz")
        with watching(browser, f"http://127.0.0.1:{server.port}") as watched:
            expect(watched.page.locator("#problem")).to_contain_text("vilem index build")
            make_colours(tmp_path, tiny_bundle)

            expect(watched.page.locator("#welcome h2")).to_have_text(f"Search {COUNT} images", timeout=20_000)


def test_a_server_that_went_away(browser: Browser, tmp_path: Path, tiny_bundle: Path) -> None:
    """A search that reaches no server says so, and is answered by itself once one is there again."""
    make_colours(tmp_path, tiny_bundle)
    with serving(tmp_path, tmp_path / "log", poll_s=0.05) as first:
        port = first.port
        with watching(browser, f"http://127.0.0.1:{port}") as watched:
            expect(watched.page.locator("#welcome h2")).to_be_visible()
            first.process.kill()
            first.process.wait()

            watched.page.locator("#query").fill("red")
            expect(watched.page.locator("#problem")).to_contain_text("does not answer")

            with serving(tmp_path, tmp_path / "log2", poll_s=0.05, port=port):
                expect(watched.page.locator("#problem")).to_be_hidden(timeout=20_000)
                answers(watched, "red")
