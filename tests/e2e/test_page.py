"""The search page in a real browser, on the real server: what a person does, with the mouse and without."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from index.collection import Collection
from models.bundle import Bundle
from models.matching import write_matching
from tests.service.conftest import matching
from tests.support.browser import Watched, chromium, needs_chromium, watching
from tests.support.collections import colour_picture, make_colours, make_random
from tests.support.servers import Server, serving, wait_until

pytestmark = needs_chromium

# pictures of the collection: eight colours in three shades
COUNT = 24
PHONE = {"width": 375, "height": 740}
# of the collection "many": eight colours in so many shades
SHADES = 20
MANY = 8 * SHADES
# of the collection "plain": more than the service's bounds on limit and offset lead to
PLAIN = 1_150


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


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[str]:
    """A server's address: "many" items, calibrated; "plain" ones without captions; "empty", which was never published."""
    folder = tmp_path_factory.mktemp("several")
    manifest = Bundle.open(tiny_bundle).manifest
    make_colours(folder, tiny_bundle, "many", shades=SHADES)
    write_matching(Collection.open(folder / "collections", "many").path, matching(manifest.digest()))
    make_random(folder, manifest, "plain", PLAIN)
    Collection.create(
        folder / "collections", "empty", dim=manifest.dim, bundle_digest=manifest.digest(), bundle_name=manifest.name
    )
    with serving(folder, folder / "log", poll_s=0.05) as running:
        yield f"http://127.0.0.1:{running.port}"


def asks_with_a_picture(watched: Watched, kind: str) -> None:
    """Bring the picture green-1 in and expect it as the first hit."""
    watched.bring(colour_picture("green", 1), kind=kind)

    watched.wait_for_first("green-1")
    expect(watched.page.locator("#chip-text")).to_have_text("query.png")


def answers(watched: Watched, text: str) -> None:
    """Wait for the answer to *text*, a colour, to be shown."""
    expect(watched.page.locator("#announce")).to_contain_text(f"“{text}”")
    watched.wait_for_first(text)


def opens_a_hit(watched: Watched, place: int = 0) -> str:
    """Open the hit at *place*; returns its id once the address has it."""
    shown = watched.shown()[place]
    watched.page.locator("#results .open").nth(place).click()
    expect(watched.page.locator("#detail")).to_be_visible()
    expect(watched.page).to_have_url(re.compile(f"item={shown}"))
    return shown


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


def test_back_closes_the_detail(opened: Watched) -> None:
    """An open item is a place in the history: Back shows the hits as they were, Forward opens it again."""
    page = opened.page
    page.locator("#query").fill("red")
    answers(opened, "red")
    second = opens_a_hit(opened, 1)

    page.go_back()

    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator("#query")).to_have_value("red")
    assert page.url.endswith("?q=red")
    assert second == page.evaluate("document.activeElement.dataset.id")
    page.go_forward()
    expect(page.locator("#detail-facts")).to_contain_text(second)
    page.go_back()
    page.go_back()
    expect(page.locator("#welcome h2")).to_be_visible()


@pytest.mark.parametrize("way", ["Escape", "button", "beside"])
def test_closing_the_detail_goes_back(opened: Watched, way: str) -> None:
    """However an item is closed, and however many were stepped through, one Back leads to what was before the hits."""
    page = opened.page
    page.locator("#query").fill("red")
    answers(opened, "red")
    opens_a_hit(opened)
    entries = page.evaluate("history.length")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    fourth = opened.shown()[3]
    expect(page).to_have_url(re.compile(f"item={fourth}"))
    assert entries == page.evaluate("history.length")

    if way == "Escape":
        page.keyboard.press("Escape")
    elif way == "button":
        page.locator("#detail-close").click()
    else:
        page.mouse.click(4, 300)

    expect(page.locator("#detail")).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?q=red$"))
    assert fourth == page.evaluate("document.activeElement.dataset.id")
    page.go_back()
    expect(page.locator("#welcome h2")).to_be_visible()


def test_what_follows_a_closing_at_once_is_kept(opened: Watched) -> None:
    """A search begun in the moment in which a closed item's entry is being left stays."""
    page = opened.page
    page.locator("#query").fill("red")
    answers(opened, "red")
    opens_a_hit(opened)
    first = opened.shown()[0]

    page.evaluate("""() => new Promise((done) => {
      const dialog = document.getElementById("detail");
      dialog.addEventListener("close", () => done(document.querySelector("#results .like").click()));
      dialog.close();
    })""")

    expect(page.locator("#chip-text")).to_have_text(f"Like {first}")
    expect(page.locator("#announce")).to_contain_text(f"like {first}")
    assert page.url.endswith(f"?like={first}")


@pytest.mark.parametrize("path", ["/?item=blue-2", "/?q=red&item=blue-2", "/?q=blue&target=texts&item=blue-2"])
def test_an_item_has_an_address(browser: Browser, server: Server, path: str) -> None:
    """An address with an item opens it, among the hits or not, also when loaded again; Back shows the page below it."""
    with watching(browser, f"http://127.0.0.1:{server.port}", path, viewport=PHONE) as watched:
        expect(watched.page.locator("#detail")).to_be_visible()
        expect(watched.page.locator("#detail-facts")).to_contain_text("blue-2")
        watched.page.reload()
        expect(watched.page.locator("#detail-facts")).to_contain_text("blue-2")

        watched.page.go_back()

        expect(watched.page.locator("#detail")).to_be_hidden()
        expect(watched.page.locator("#results .open").first).to_be_visible()
        assert "item" not in watched.page.url
        assert [] == watched.errors


def test_an_address_of_an_item_that_is_gone(browser: Browser, server: Server) -> None:
    """It shows the hits, says what is missing, and no longer names it."""
    with watching(browser, f"http://127.0.0.1:{server.port}", "/?q=red&item=nowhere") as watched:
        expect(watched.page.locator("#notes")).to_contain_text("nowhere")
        answers(watched, "red")
        expect(watched.page).to_have_url(re.compile(r"\?q=red$"))


def test_a_picture_takes_the_place_of_an_open_item(opened: Watched) -> None:
    """A picture pasted over an open item is searched, and the item is closed; Back opens it again."""
    item = opens_a_hit(opened)

    asks_with_a_picture(opened, "paste")

    expect(opened.page.locator("#detail")).to_be_hidden()
    opened.page.go_back()
    expect(opened.page.locator("#detail-facts")).to_contain_text(item)


def test_the_page_says_how_many_there_are(browser: Browser, several: str) -> None:
    """Of how many images or captions the hits are the best is said, and kept right as more are shown."""
    with watching(browser, several, "/?q=red&in=many") as watched:
        counted = watched.page.locator("#timings strong")
        expect(counted).to_have_text(f"24 of {MANY} images")
        watched.page.locator("#more").click()
        expect(counted).to_have_text(f"48 of {MANY} images")
        watched.page.locator("#target label", has_text="Captions").click()
        expect(counted).to_have_text(f"24 of {2 * MANY} captions")
        watched.page.goto(several + "/?like=red-0&in=many")
        expect(counted).to_have_text(f"24 of {MANY - 1} images")
        assert [] == watched.errors


def test_a_hit_says_how_sure_it_is(browser: Browser, several: str) -> None:
    """Where the model is calibrated the probability stands under each hit, its cosine in the tooltip, both in the detail."""
    with watching(browser, several, "/?q=red&in=many") as watched:
        page, score = watched.page, watched.page.locator("#results .score").first
        expect(score).to_have_text(re.compile(r"^(\d+|> 99) %$"))
        expect(score).to_have_attribute("title", re.compile(r"cosine similarity 0\.\d{3}$"))
        told = score.inner_text()
        opens_a_hit(watched)
        expect(page.locator("#detail-facts dt", has_text="probability").locator("+ dd")).to_have_text(told)
        expect(page.locator("#detail-facts")).to_contain_text("score")
        page.goto(several + "/?like=red-0&in=many")
        expect(page.locator("#results .score").first).to_have_text(re.compile(r"^0\.\d{3}$"))
        assert [] == watched.errors


def test_a_text_in_pieces_says_so(browser: Browser, several: str) -> None:
    """How many pieces it was read in is noted above the hits; such a text has no probability; a short one has no note."""
    with watching(browser, several, f"/?q={'a red dog. ' * 12}&in=many") as watched:
        notes = watched.page.locator("#notes")
        expect(notes).to_contain_text("it was read in 12 pieces")
        expect(notes).not_to_contain_text("its end was not used")
        expect(watched.page.locator("#results .score").first).to_have_text(re.compile(r"^0\.\d{3}$"))
        watched.page.locator("#query").fill("red")
        answers(watched, "red")
        expect(notes).to_be_empty()
        assert [] == watched.errors


def test_where_the_service_ends_is_said(browser: Browser, several: str) -> None:
    """When the service's bounds let no more hits be shown although there are more, the page says so."""
    with watching(browser, several, "/?q=red&in=plain") as watched:
        expect(watched.page.locator("#more")).to_be_visible()
        # as after 41 clicks on "Show more"
        watched.page.evaluate("history.replaceState({...history.state, shown: 984}, '')")
        watched.page.reload()
        expect(watched.page.locator("#results .open")).to_have_count(984)

        watched.page.locator("#more").click()

        expect(watched.page.locator("#end")).to_contain_text("the best 1,008 of 1,150: the service goes no further")
        expect(watched.page.locator("#more")).to_be_hidden()
        assert 1008 == len(set(watched.shown()))


@pytest.mark.parametrize("way", ["Back", "reload"])
def test_hits_come_back_as_they_were(browser: Browser, several: str, way: str) -> None:
    """Back to a search, and a reload of it, show as many hits as there were, in the same order, scrolled to the same place."""
    with watching(browser, several, "/?q=red&in=many") as watched:
        page = watched.page
        for count in (48, 72, 96, 120):
            page.locator("#more").click()
            expect(page.locator("#results .open")).to_have_count(count)
        before = watched.shown()
        page.evaluate("scrollTo(0, 1234)")
        expect(page.locator("html")).to_have_js_property("scrollTop", 1234)
        # a pause ends a movement
        page.wait_for_timeout(400)

        if way == "Back":
            page.locator(".hit").nth(60).hover()
            place = page.evaluate("scrollY")
            page.locator(".hit").nth(60).locator(".like").click()
            expect(page.locator("#chip-text")).to_have_text(f"Like {before[60]}")
            expect(page.locator("#results .open")).to_have_count(24)
            page.go_back()
        else:
            place = 1234
            page.reload()

        expect(page.locator("#results .open")).to_have_count(len(before))
        expect(page.locator("html")).to_have_js_property("scrollTop", place)
        assert before == watched.shown()
        assert [] == watched.errors


def test_a_long_text_is_kept(opened: Watched) -> None:
    """A text too long for an address is cut in the title only: a reload finds it again, and that no link holds it is said."""
    text = "a photo of red " * 220
    opened.page.locator("#query").fill(text)

    expect(opened.page.locator("#notes")).to_contain_text("too long for an address")
    assert "q=" not in opened.page.url
    assert len(opened.page.title()) < 80
    opened.page.reload()

    expect(opened.page.locator("#query")).to_have_value(text.strip())
    opened.wait_for_first("red")


def test_a_picture_that_is_gone_is_said(opened: Watched) -> None:
    """A reload loses a picture that was searched with: the page says so, and the next search says it no more."""
    asks_with_a_picture(opened, "drop")

    opened.page.reload()

    expect(opened.page.locator("#notes")).to_contain_text("gone after a reload")
    expect(opened.page.locator("#welcome h2")).to_be_visible()
    asks_with_a_picture(opened, "drop")
    expect(opened.page.locator("#notes")).to_be_empty()


def test_without_captions_images_are_found(browser: Browser, several: str) -> None:
    """A collection without captions shows its images where captions were asked for, says so, and keeps the focus."""
    with watching(browser, several, "/?q=red&target=texts&in=many") as watched:
        answers(watched, "red")
        page = watched.page
        page.locator("#target [value=texts]").focus()
        page.locator("#collection").select_option("plain")

        expect(page.locator("#notes")).to_contain_text("“plain” has no captions")
        expect(page.locator("#timings strong")).to_have_text("24 of 1,150 images")
        expect(page.locator("#target [value=images]")).to_be_checked()
        expect(page.locator("#target [value=texts]")).to_be_disabled()
        expect(page.locator("#target [value=images]")).to_be_focused()
        assert "texts" not in page.url


def test_what_is_not_available_is_said(browser: Browser, several: str) -> None:
    """An address of a collection that cannot be served gives the service's reason, which also stands below every page."""
    with watching(browser, several, "/?in=empty") as watched:
        expect(watched.page.locator("#notes")).to_contain_text("“empty” cannot be searched: ")
        expect(watched.page.locator("#notes")).to_contain_text("This is “many”")
        watched.page.goto(several)
        watched.page.get_by_text("1 not available").click()
        expect(watched.page.locator("#faults-list")).to_contain_text("empty: ")
        assert [] == watched.errors


def test_the_chosen_collection_is_remembered(browser: Browser, several: str) -> None:
    """The page opens on the collection that was chosen last; where storage is denied, on the first."""
    with watching(browser, several) as watched:
        expect(watched.page.locator("#facts")).to_contain_text("many")
        watched.page.locator("#collection").select_option("plain")
        expect(watched.page.locator("#facts")).to_contain_text("plain")

        watched.page.go_back()
        expect(watched.page.locator("#facts")).to_contain_text("many")
        watched.page.goto(several + "/?q=red")
        expect(watched.page.locator("#facts")).to_contain_text("plain")

        watched.page.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied'); }})"
        )
        watched.page.goto(several)
        expect(watched.page.locator("#facts")).to_contain_text("many")
        watched.page.locator("#collection").select_option("plain")
        expect(watched.page.locator("#facts")).to_contain_text("plain")


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
