"""Groups for people and programs."""

import json
from pathlib import Path

import pytest

from index.duplicates import report as module
from index.duplicates.find import Duplicates, Options, find_duplicates
from index.duplicates.groups import GroupsInfo, save_groups
from index.duplicates.report import facts, page, write_json, write_page
from index.searcher import Searcher
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured
from tests.models.test_page import Tags
from tests.support.images import encoded

Found = tuple[Searcher, Duplicates, GroupsInfo]


@pytest.fixture
def found(tmp_path: Path, tiny_bundle: Path) -> Found:
    """Three pictures, two of them with two exact copies each; one id looks like HTML."""
    files: dict[str, bytes] = {}
    for seed in range(3):
        data = encoded(photograph(seed))
        files |= {f"<b>{seed}.png": data} | ({f"{seed}-a.png": data, f"{seed}-b.png": data} if seed else {})
    searcher = pictured(tmp_path, Bundle.open(tiny_bundle), files)
    duplicates = find_duplicates(searcher, Options(1.0))
    info = save_groups(
        searcher.view.collection, duplicates.found, items=duplicates.items, threshold=1.0, bits=None, chains=False
    )
    return searcher, duplicates, info


@pytest.mark.parametrize("chunk", [1, 256])
def test_the_json_has_every_group(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Every group with every member, the representative first, and how they were found, however few are looked up at once."""
    monkeypatch.setattr(module, "_CHUNK", chunk)

    write_json(*found, tmp_path / "groups.json")

    written = json.loads((tmp_path / "groups.json").read_text())
    assert (7, 2, 1.0) == (written["items"], written["groups"], written["threshold"])
    assert [3, 3] == [each["size"] for each in written["found"]]
    assert {"<b>1.png", "<b>2.png"} == {each["representative"] for each in written["found"]}
    assert {"id": "<b>1.png", "cosine": 1.0, "copy": False} == written["found"][0]["items"][0]
    assert [False, True, True] == [each["copy"] for each in written["found"][0]["items"]]


def test_a_write_that_fails_leaves_the_old_file(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle, neither a half file nor anything else is left."""
    target = tmp_path / "out" / "groups.json"
    write_json(*found, target)
    before = target.read_bytes()

    def stop(*_: object) -> dict[str, object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_group", stop)
    with pytest.raises(KeyboardInterrupt):
        write_json(*found, target)

    assert before == target.read_bytes()
    assert ["groups.json"] == [path.name for path in target.parent.iterdir()]


def test_the_page_shows_the_pictures(found: Found, tmp_path: Path) -> None:
    """A picture for each member, the ids as text."""
    write_page(*found, tmp_path / "page.html")

    tags = Tags((tmp_path / "page.html").read_text())
    assert 6 == tags.names.count("img")
    assert "b" not in tags.names
    assert any("<b>1.png" in text for text in tags.text)


def test_the_page_is_bounded(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many groups the largest are shown, of many members the first, and what is left out is said."""
    monkeypatch.setattr(module, "SHOWN_GROUPS", 1)
    monkeypatch.setattr(module, "SHOWN_MEMBERS", 2)

    text = page(*found)

    assert 2 == Tags(text).names.count("img")
    assert "1 more" in text
    assert "The 1 largest groups" in text


def test_the_facts_count(found: Found) -> None:
    """How many items could be spared, and how many of them are copies byte for byte."""
    _, duplicates, info = found

    assert "7 items at version" in facts(duplicates, info)[0]
    assert "2 groups of 6 items; 4 could be spared, 4 of them copies" in facts(duplicates, info)[0]
