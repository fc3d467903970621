"""The page of a service that asks for keys, in a real browser: a person pastes one, and works as without."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from service.guard.keys import add_key, make_key, revoke_key
from tests.support.browser import chromium, needs_chromium, watching
from tests.support.collections import make_colours
from tests.support.servers import serving

pytestmark = needs_chromium
# pictures of the collection, all of which a page shows
COUNT = 24
SEEN = "images => images.filter((image) => image.complete && image.naturalWidth > 0).length"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as opened:
        yield opened


def test_a_person_gives_a_key_once(browser: Browser, tmp_path: Path, tiny_bundle: Path) -> None:
    """The page asks for it, says when it is wrong, then finds and shows pictures, also whole; it stays in the tab and leaves with it."""
    make_colours(tmp_path, tiny_bundle)
    key, kept = make_key("person", ["search"])
    add_key(tmp_path / "keys.json", kept)
    with (
        serving(tmp_path, tmp_path / "log", poll_s=0.05) as server,
        watching(browser, f"http://127.0.0.1:{server.port}") as watched,
    ):
        page, field = watched.page, watched.page.locator("#key")
        for given, said in (("vilem_wrong", "Not a key"), (key, "")):
            expect(page.locator("#problem")).to_be_visible()
            field.fill(given)
            field.press("Enter")
            if said:
                expect(page.locator("#problem")).to_contain_text(said)
        expect(page.locator("#welcome")).to_contain_text("Search")
        page.locator("#query").fill("green")
        watched.wait_for_first("green")
        expect(page.locator("#results img[src^='blob:']")).to_have_count(COUNT)
        wait_for(lambda: page.locator("#results img").evaluate_all(SEEN) == COUNT)

        page.locator("#results .open").first.click()
        wait_for(lambda: page.locator("#detail-image").evaluate_all(SEEN) == 1)
        expect(page.locator("#detail-original")).to_have_attribute("href", re.compile("^blob:"))
        page.reload()
        expect(page.locator("#problem")).to_be_hidden()

        kept_by_browser = page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
        assert key in kept_by_browser[0]
        assert key not in kept_by_browser[1]
        assert "" == kept_by_browser[2]
        assert key not in page.url
        # of the requests without a right key a browser's console says that they failed, and of nothing else
        assert [] == [error for error in watched.errors if "401" not in error]
        assert [] == watched.abroad

        revoke_key(tmp_path / "keys.json", "person")
        page.reload()
        expect(field).to_be_visible()
