"""The page's switch Proofread, in a real browser on the real server: the words of a query under each hit."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Watched, chromium, needs_chromium, watching
from tests.support.collections import colour_picture, make_colours, make_painted
from tests.support.servers import Server, serving

pytestmark = needs_chromium

TEXT = "a red picture"
COUNT = 12
# more than the page asks to be re-ranked
MANY = 56
PHONE = {"width": 375, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, proof_bundle: Path, tiny_bundle: Path) -> Iterator[Server]:
    """A server of "painted", which can be proofread, "bare" without patches, and "colours" of a model that cannot."""
    folder = tmp_path_factory.mktemp("painted")
    make_painted(folder, proof_bundle)
    make_painted(folder, proof_bundle, "bare", patches=False)
    make_colours(folder, tiny_bundle)
    with serving(folder, folder / "log", poll_s=0.05) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, painted: Server) -> Iterator[Watched]:
    """The page on "painted" with a query; whatever a test did, it ends without an error and without leaving the host."""
    with watching(browser, home(painted), f"/?q={TEXT}&in=painted") as watched:
        expect(watched.page.locator("#timings")).to_contain_text("ms")
        yield watched
        assert [] == watched.errors
        assert [] == watched.abroad


def home(server: Server) -> str:
    """Its address."""
    return f"http://127.0.0.1:{server.port}"


def proofreads(watched: Watched) -> None:
    """Turn the switch on and wait for the words."""
    watched.page.get_by_role("switch", name="Proofread").check()
    expect(watched.page.locator("#results .proof")).to_have_count(COUNT)


def test_the_words_of_the_query_stand_under_each_hit(opened: Watched) -> None:
    """Switched on, each hit has the query's words, marked as its picture bears them out or not; switched off, none."""
    expect(opened.page.locator("#results .proof")).to_have_count(0)

    proofreads(opened)

    right = opened.page.locator(".hit", has=opened.page.locator("[data-id='red-0.png']"))
    wrong = opened.page.locator(".hit", has=opened.page.locator("[data-id='green-0.png']"))
    assert ["a", "red", "picture"] == right.locator(".word.right").all_inner_texts()
    assert ["a", "picture"] == wrong.locator(".word.right").all_inner_texts()
    expect(wrong.locator(".word.wrong")).to_have_attribute(
        "title", re.compile("“red” is supported by .*rather “green”")
    )
    expect(opened.page.locator("#timings")).to_contain_text("proofread")
    opened.page.get_by_role("switch", name="Proofread").uncheck()
    expect(opened.page.locator("#results .proof")).to_have_count(0)


def test_hits_stand_in_the_services_order(opened: Watched, painted: Server) -> None:
    """What the page shows is what a re-ranked search answers."""
    proofreads(opened)

    body = {"query": {"text": TEXT}, "limit": COUNT, "rerank": "proofread", "candidates": 48}
    answer = painted.client.post("/v1/collections/painted/search", json=body).json()
    assert [hit["id"] for hit in answer["hits"]] == opened.shown()


def test_marks_are_not_by_colour_alone(opened: Watched) -> None:
    """A contradicted word is struck through, and a screen reader hears of it and of the word that should be there."""
    proofreads(opened)

    decoration = "word => getComputedStyle(word).textDecorationLine"
    assert {"line-through"} == set(opened.page.locator(".word.wrong").evaluate_all(f"all => all.map({decoration})"))
    assert {"none"} == set(opened.page.locator(".word.right").evaluate_all(f"all => all.map({decoration})"))
    button = opened.page.get_by_role("button", name="a red (contradicted, rather “blue”) picture")
    assert 3 == button.count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_can_be_read(browser: Browser, painted: Server, scheme: str) -> None:
    """Both colours stand out from the page by at least 4.5 to 1, in either scheme; on a phone nothing is beyond the edge."""
    luminance = """([place, name]) => {
      const style = getComputedStyle(document.querySelector(place));
      const [r, g, b] = style[name].match(/[\\d.]+/g).slice(0, 3)
        .map((level) => level / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }"""
    path = f"/?q={TEXT}&in=painted&proofread=1"
    with watching(browser, home(painted), path, color_scheme=scheme, viewport=PHONE, has_touch=True) as watched:
        expect(watched.page.locator(".word.wrong").first).to_be_visible()
        ground = watched.page.evaluate(luminance, ["body", "backgroundColor"])
        for place in (".word.right", ".word.wrong"):
            ink = watched.page.evaluate(luminance, [place, "color"])
            assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5
        assert 0 == watched.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_an_open_hit_says_what_is_wrong(opened: Watched) -> None:
    """The detail of a hit has the sentence, each contradicted word with its support and what it should be, and the score."""
    proofreads(opened)

    opened.page.locator("[data-id='blue-1.png']").click()
    detail = opened.page.locator("#detail")
    expect(detail.locator(".proof")).to_contain_text("picture")
    expect(detail.locator("li")).to_have_text(re.compile(r"“red” is supported by \d+ %; rather “blue” \d+ %"))
    expect(detail).to_contain_text("proofread score")

    opened.page.locator("#detail-close").click()
    opened.page.locator("[data-id='red-1.png']").click()
    expect(detail).to_contain_text("No word is contradicted.")


def test_the_address_holds_the_switch(opened: Watched) -> None:
    """A reload and Back bring the marks back or take them away, as they were."""
    page = opened.page
    proofreads(opened)
    assert "proofread=1" in page.url

    page.reload()
    expect(page.locator("#results .proof")).to_have_count(COUNT)
    expect(page.locator("#proofread")).to_be_checked()
    page.go_back()
    expect(page.locator("#results .proof")).to_have_count(0)
    expect(page.locator("#proofread")).not_to_be_checked()
    page.go_forward()
    expect(page.locator("#results .proof")).to_have_count(COUNT)


def test_the_keyboard_is_enough(opened: Watched) -> None:
    """The switch is reached with Tab and turned with the space bar; "/" leads from it to the field."""
    page = opened.page
    page.locator("#target [value=images]").focus()
    page.keyboard.press("Tab")
    assert "proofread" == page.evaluate("document.activeElement.id")

    page.keyboard.press(" ")

    expect(page.locator("#results .proof")).to_have_count(COUNT)
    assert "proofread" == page.evaluate("document.activeElement.id")
    page.keyboard.press("/")
    assert "query" == page.evaluate("document.activeElement.id")


@pytest.mark.parametrize(("name", "why"), [("bare", "vilem index build bare"), ("colours", "has no proofreader")])
def test_a_collection_that_cannot_says_why(browser: Browser, painted: Server, name: str, why: str) -> None:
    """The switch is disabled with the reason; an address that asks for it is answered without, and told."""
    with watching(browser, home(painted), f"/?q=red&in={name}&proofread=1") as watched:
        switch = watched.page.get_by_role("switch", name="Proofread")
        expect(switch).to_be_disabled()
        expect(watched.page.locator("#proofread-label")).to_have_attribute("title", re.compile(why))
        expect(switch).to_have_accessible_description(re.compile(why))
        expect(watched.page.locator("#notes")).to_contain_text(why)
        expect(watched.page.locator("#results .open").first).to_be_visible()
        expect(watched.page.locator("#results .proof")).to_have_count(0)
        assert [] == watched.errors


def test_only_words_are_proofread(opened: Watched) -> None:
    """Beside a picture the switch rests, says why, and is on again as it was when words are typed."""
    page = opened.page
    proofreads(opened)

    opened.bring(colour_picture("green", 1))
    expect(page.locator("#chip-text")).to_have_text("query.png")
    expect(page.locator("#proofread")).to_be_disabled()
    expect(page.locator("#proofread-label")).to_have_attribute("title", re.compile("found by words"))
    expect(page.locator("#results .proof")).to_have_count(0)

    page.locator("#query").fill("the photo is blue")
    expect(page.locator("#proofread")).to_be_checked()
    expect(page.locator("#results .proof").first).to_contain_text("blue")


def test_behind_the_candidates_hits_have_no_marks(browser: Browser, tmp_path: Path, proof_bundle: Path) -> None:
    """The first two pages are proofread; what "Show more" brings behind them comes by vector, each hit once."""
    make_painted(tmp_path, proof_bundle, repeats=MANY // 4)
    with (
        serving(tmp_path, tmp_path / "log", poll_s=0.05) as server,
        watching(browser, home(server), f"/?q={TEXT}&proofread=1") as watched,
    ):
        for shown, marked in ((24, 24), (48, 48), (MANY, 48)):
            expect(watched.page.locator("#results .open")).to_have_count(shown)
            expect(watched.page.locator("#results .proof")).to_have_count(marked)
            if shown < MANY:
                watched.page.locator("#more").click()
        assert MANY == len(set(watched.shown()))
        assert [] == watched.errors
