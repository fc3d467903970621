"""Chromium, opened on a page of ours, with an eye on everything that a page should never do."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")

DROP = """async ([bytes, name, type, kind]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true})
    : new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""


@dataclass
class Watched:
    """A page, and what it did wrong: errors in its console, requests that left its host."""

    page: Page
    home: str
    errors: list[str] = field(default_factory=list[str])
    abroad: list[str] = field(default_factory=list[str])

    def bring(self, data: bytes, name: str = "query.png", *, kind: str = "drop") -> None:
        """Drop or paste a file, as a person's file manager would; *kind* is "drop" or "paste"."""
        media = "image/png" if name.endswith(".png") else "text/plain"
        self.page.evaluate(DROP, [list(data), name, media, kind])

    def shown(self) -> list[str]:
        """The ids of the hits on the page, in order."""
        return self.page.locator("#results .open").evaluate_all("cells => cells.map((cell) => cell.dataset.id)")

    def wait_for_first(self, start: str) -> None:
        """Wait until the id of the first hit begins with *start*."""
        expect(self.page.locator("#results .open").first).to_have_attribute("data-id", re.compile(f"^{start}"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        # the sandbox needs rights that a container's root lacks; only pages of ours are opened
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watching(browser: Browser, home: str, path: str = "/", **context: Any) -> Iterator[Watched]:  # noqa: ANN401 # Playwright's own
    """Open *path* of *home* in a context of its own, e.g. with `viewport={"width": 375, "height": 740}`."""
    with browser.new_context(**context) as opened:
        watched = Watched(opened.new_page(), home)
        host = urlsplit(home).netloc

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                watched.errors.append(message.text)

        def on_request(request: Request) -> None:
            target = urlsplit(request.url)
            if target.scheme not in ("blob", "data") and target.netloc != host:
                watched.abroad.append(request.url)

        watched.page.on("console", on_console)
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
        watched.page.on("request", on_request)
        watched.page.goto(home + path)
        yield watched
