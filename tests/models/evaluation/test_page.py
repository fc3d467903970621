"""A report as one HTML file."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from models.bundle import Bundle
from models.evaluation.measure import measure
from models.evaluation.page import page
from models.evaluation.pictures import pictures_of
from models.evaluation.report import ReadText, Report, Rival, WrongWord
from tests.models.evaluation.made import colours, small_report
from tests.support.browser import chromium, needs_chromium

NASTY = '<script>alert(1)</script>" onerror="alert(2)'
VOID = {"meta", "img", "br"}


class _Tags(HTMLParser):
    """Opened and closed tags, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


def _parsed(text: str) -> _Tags:
    tags = _Tags()
    tags.feed(text)
    tags.close()
    return tags


def _with(*rivals: Rival) -> Report:
    return small_report().model_copy(update={"rivals": rivals})


def _measured(tiny_bundle: Path) -> str:
    data = colours()
    report = measure(Bundle.open(tiny_bundle), data, edits=True)
    return page(report, pictures_of(data.entries, {each.id for each in data.entries}))


def test_every_tag_is_closed(tiny_bundle: Path) -> None:
    """The page is well formed, with tables and pictures."""
    tags = _parsed(_measured(tiny_bundle))

    assert [] == tags.open
    assert {"table", "img", "article", "figure"} <= tags.seen


def test_nothing_is_run_or_fetched(tiny_bundle: Path) -> None:
    """No script, no link, and every address is a `data:` picture; the page's own policy forbids the rest."""
    tags = _parsed(_measured(tiny_bundle))

    assert not {"script", "link", "iframe", "object", "form"} & tags.seen
    assert all(value.startswith("data:image/jpeg;base64,") for name, value in tags.attributes if name == "src")
    assert not any(name == "href" or name.startswith("on") for name, _ in tags.attributes)
    assert any("default-src 'none'" in value for _, value in tags.attributes)


@pytest.mark.parametrize("field", ["text", "image", "other_image", "other_text", "kind"])
def test_texts_of_others_are_text(field: str) -> None:
    """A caption or a file's name that looks like HTML is shown as it is, and becomes no tag or attribute."""
    retrieval = {"text": "a", "image": "b", "score": 0.2, "rank": 3, "other_score": 0.3, "other_image": "c"}
    edit = {**retrieval, "other_image": None, "other_text": "d", "kind": "e"}
    chosen = edit if field in ("other_text", "kind") else retrieval
    rival = Rival.model_validate({**chosen, field: NASTY})

    tags = _parsed(page(_with(rival), {NASTY: "data:image/jpeg;base64,AAAA"}))

    assert "script" not in tags.seen
    assert not any(name.startswith("on") for name, _ in tags.attributes)


def test_names_of_data_are_text() -> None:
    """The source's and the groups' names are escaped too."""
    report = small_report()
    assert report.data is not None
    named = report.model_copy(update={"data": report.data.model_copy(update={"source": NASTY})})

    assert "script" not in _parsed(page(named, {})).seen


def test_wins_and_losses_have_their_headings() -> None:
    """Each kind of example stands below its own words, and what there is none of has no heading."""
    win = Rival(text="a red dog", image="a", score=0.9, rank=1, other_image="b", other_score=0.2)
    loss = Rival(text="a blue cat", image="c", score=0.1, rank=14, other_image="d", other_score=0.2)

    both, one = page(_with(win, loss), {}), page(_with(win), {})

    assert "Wins: the caption" in both
    assert "Losses: another picture" in both
    assert "rank 14" in both
    assert "Losses" not in one


def test_the_changed_words_are_marked() -> None:
    """Of a caption and its edit the words that differ are marked, and only those."""
    rival = Rival(
        text="a red dog left of it", image="a", score=0.9, rank=1, other_text="a red dog right of it", other_score=0.2
    )

    text = page(_with(rival), {})

    assert ["left", "right"] == re.findall("<mark>(.*?)</mark>", text)
    assert "Wins: the true caption" in text


def _read(*words: WrongWord, text: str = "a blue cat & <b>") -> ReadText:
    return ReadText(text=text, image=NASTY, kind=NASTY, words=words)


def test_wrong_words_are_marked_by_what_was_told() -> None:
    """A told word is green and a missed one red, in the caption and below it, with what was put there and what belongs there."""
    told = WrongWord(start=2, end=6, wrong=0.9, told=True, guess="red", should_be="red")
    missed = WrongWord(start=7, end=10, wrong=0.2, told=False, guess="cow", should_be="dog")

    text = page(small_report().model_copy(update={"read": (_read(told, missed), _read(told))}), {})

    assert 'a <mark class="true">blue</mark> <mark class="false">cat</mark> &amp; &lt;b&gt;' in text
    assert "blue: told, P(wrong) 0.90; restored to red" in text
    assert "cat: missed, P(wrong) 0.20; first guess cow; was dog" in text
    assert text.index("Wins: every wrong word is told") < text.index("Losses: a wrong word is missed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"told": False}, "missed, P(wrong) 0.90; first guess red, which is right<"),
        ({"guess": "cow"}, "told, P(wrong) 0.90; first guess cow; was red<"),
        ({"should_be": None}, "told, P(wrong) 0.90; first guess red<"),
        ({"guess": None}, "told, P(wrong) 0.90; was red<"),
    ],
)
def test_a_word_says_what_is_known_of_it(change: dict[str, object], said: str) -> None:
    """What was guessed and what belongs there are said where they are known, and not twice where they are one."""
    known = {"start": 2, "end": 6, "wrong": 0.9, "told": True, "guess": "red", "should_be": "red"}
    word = WrongWord.model_validate(known | change)

    assert said in page(small_report().model_copy(update={"read": (_read(word),)}), {})


def test_texts_that_were_read_are_text() -> None:
    """A caption, a kind, a guess or a file's name that looks like HTML is shown as it is."""
    word = WrongWord(start=0, end=8, wrong=0.9, told=True, guess=NASTY, should_be=NASTY)
    read = small_report().model_copy(update={"read": (_read(word, text=NASTY),)})

    tags = _parsed(page(read, {NASTY: "data:image/jpeg;base64,AAAA"}))

    assert "script" not in tags.seen
    assert "img" in tags.seen
    assert not any(name.startswith("on") for name, _ in tags.attributes)


def test_a_picture_that_is_not_there_leaves_its_words() -> None:
    """Without the picture the card still says what it was about."""
    rival = Rival(text="a red dog", image="a", score=0.9, rank=1, other_image="b", other_score=0.2)

    text = page(_with(rival), {})

    assert "<img" not in text
    assert "a red dog" in text


@needs_chromium
def test_the_page_opens_in_a_browser(tiny_bundle: Path, tmp_path: Path) -> None:
    """Chromium shows every picture, complains of nothing, asks nobody for anything, and a phone needs no sideways scroll."""
    (tmp_path / "report.html").write_text(_measured(tiny_bundle), encoding="utf-8")
    asked: list[str] = []
    said: list[str] = []
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 380, "height": 800}, color_scheme="dark")
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("console", lambda message: said.append(message.text))
        opened.goto((tmp_path / "report.html").as_uri())
        widths = opened.evaluate("[...document.images].map((image) => image.naturalWidth)")
        sideways = opened.evaluate("document.documentElement.scrollWidth - innerWidth")

    assert widths
    assert all(width > 0 for width in widths)
    assert [(tmp_path / "report.html").as_uri()] == [url for url in asked if not url.startswith("data:")]
    assert ([], 0) == (said, sideways)
