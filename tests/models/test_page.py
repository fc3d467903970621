"""Parts of a report that is one HTML file; whole pages are tested beside the reports that they are of."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.page import cards, data_uri, document, figure, table
from tests.models.evaluation.made import picture

NASTY = '<script>alert(1)</script>" onerror="alert(2)'


class Tags(HTMLParser):
    """Names of all tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize(
    "page",
    [
        document(NASTY, [NASTY], ""),
        table(NASTY, [NASTY], [[NASTY]]),
        cards(NASTY, [figure(NASTY, NASTY, NASTY, "true")]),
    ],
    ids=["document", "table", "figure"],
)
def test_texts_of_others_stay_text(page: str) -> None:
    """Whatever is plain text may look like HTML and becomes no tag and no attribute."""
    tags = Tags(page)

    assert "script" not in tags.names
    assert not any(name.startswith("on") for name in tags.attributes)
    # a picture's texts are attributes, but for the line under it
    assert any("alert(1)" in text for text in tags.text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1))
def test_a_cell_reads_as_it_was_written(text: str) -> None:
    """Escaping changes nothing that a reader sees."""
    tags = Tags(table("t", ["a"], [[text]]))

    assert text in "".join(tags.text)


def test_without_articles_there_is_no_heading() -> None:
    """A part that has nothing to show is left out whole."""
    assert not cards("Broken", [])


def test_a_page_asks_nobody() -> None:
    """The page's own policy allows inline style and `data:` pictures alone, which are what its pictures are."""
    page = document("a", [], figure(data_uri(picture((200, 30, 30), 900)), "b", "c"))

    assert "default-src 'none'; img-src data:" in page
    assert 'src="data:image/jpeg;base64,' in page
