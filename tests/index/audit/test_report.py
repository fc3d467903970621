"""The audit as a page."""

from pathlib import Path

import pytest

from index.audit import report as module
from index.audit.report import page, summary, write_page
from index.audit.run import audit
from index.searcher import Searcher
from tests.index.audit.made import ALIEN, NASTY
from tests.index.duplicates.made import searcher, turned
from tests.models.test_page import Tags


def test_the_page_shows_where_to_look(made: Searcher, tmp_path: Path) -> None:
    """Suspects with their pictures and captions, the outlier, the shared caption; texts of others stay text."""
    write_page(made, audit(made), tmp_path / "audit.html")

    tags = Tags((tmp_path / "audit.html").read_text())
    assert "script" not in tags.names
    assert any(NASTY in text for text in tags.text)
    assert any(ALIEN in text for text in tags.text)
    assert {"Captions that fit their picture least", "Farthest from all others", "Near to the most others"} <= set(
        tags.text
    )
    assert tags.names.count("img") > 100


def test_lists_are_cut(made: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of each list are shown, however long it is."""
    monkeypatch.setattr(module, "SHOWN", 1)

    tags = Tags(page(made, audit(made)))

    assert 3 == tags.names.count("article")


def test_what_was_not_looked_at_is_not_shown(tmp_path: Path) -> None:
    """Without captions and files there is no word of them; with files the broken ones are listed."""
    plain = searcher(tmp_path, turned([0, 10, 20]))
    without, read = audit(plain), audit(plain, files=True)

    assert "captions" not in page(plain, without)
    assert "Broken pictures" not in page(plain, without)
    assert "is not there" in page(plain, read)
    assert ("broken pictures", "3 of 3") in summary(read)
