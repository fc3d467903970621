"""`vilem index duplicates`."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from index.duplicates import find
from index.duplicates.groups import load_groups
from index.duplicates.threshold import altered
from index.neighbours import Tell
from index.publish import KEEP, publish
from index.searcher import Searcher
from index.versions import remove_old_versions
from models.bundle import Bundle
from models.errors import BundleMissing
from tests.index.duplicates.made import photograph, pictured
from tests.support.collections import link_bundle
from tests.support.images import encoded
from vilem.cli.main import app


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A home with a collection of five pictures, a copy of the first, and two altered copies of the second."""
    link_bundle(tmp_path, tiny_bundle)
    files = {f"{seed}.png": encoded(photograph(seed)) for seed in range(5)}
    copies = [data for _, data in altered(photograph(1))][:2]
    pictured(
        tmp_path / "collections", Bundle.open(tiny_bundle),
        {**files, "copy.png": files["0.png"], "one.jpg": copies[0], "two.jpg": copies[1]}, "photos",
    )  # fmt: skip
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(
        app, ["index", "duplicates", "photos", *arguments, "--home", str(home)], env={"COLUMNS": "200", "TERM": "dumb"}
    )


def test_groups_are_printed_and_kept(home: Path) -> None:
    """Exact copies are found at any threshold, shown, and kept for searches, with the version they were found at."""
    result = run(home, "--threshold", "1")

    assert 0 == result.exit_code, result.output
    assert "0.png, copy.png" in result.output
    groups = load_groups(home / "collections" / "photos")
    assert groups is not None
    assert 2 == len(groups.rows)
    assert (1.0, None, 8) == (groups.info.threshold, groups.info.bits, groups.info.items)


def test_the_threshold_is_measured_where_none_is_given(home: Path) -> None:
    """The measured one is told, with what it finds, and is the one the groups were made with."""
    result = run(home)

    assert 0 == result.exit_code, result.output
    assert "of altered copies are at or over it" in result.output
    groups = load_groups(home / "collections" / "photos")
    assert groups is not None
    assert f"threshold {groups.info.threshold:.4f}" in result.output


def test_hashes_and_files(home: Path, tmp_path: Path) -> None:
    """With --hash altered copies are found by their look; --json and --html write what was found."""
    json_file, html_file = tmp_path / "out" / "groups.json", tmp_path / "out" / "page.html"

    result = run(home, "--threshold", "1", "--hash", "--json", str(json_file), "--html", str(html_file))

    assert 0 == result.exit_code, result.output
    found = json.loads(json_file.read_text())["found"]
    assert [{"1.png", "one.jpg", "two.jpg"}, {"0.png", "copy.png"}] == [
        {item["id"] for item in each["items"]} for each in found
    ]
    assert "data:image/jpeg" in html_file.read_text()


def test_bits_without_hashes_are_refused(home: Path) -> None:
    """An option that would do nothing is not taken."""
    result = run(home, "--bits", "3")

    assert 2 == result.exit_code
    assert "only --hash compares bits" in " ".join(result.output.replace("│", " ").split())


def test_stopped_it_leaves_what_was_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends it with the usual status, and the groups of an earlier run stay as they were."""
    run(home, "--threshold", "1")
    file = home / "collections" / "photos" / "duplicates" / "groups.arrow"
    before = file.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(find, "_grouped", stop)
    result = run(home, "--threshold", "0.1")

    assert 130 == result.exit_code
    assert before == file.read_bytes()


def test_without_its_bundle_the_threshold_must_be_named(home: Path) -> None:
    """No bundle, no measurement: the error says so, and a named threshold needs none."""
    (home / "bundles" / "tiny").unlink()

    without = run(home)

    assert isinstance(without.exception, BundleMissing)
    assert 0 == run(home, "--threshold", "0.99").exit_code


@pytest.mark.parametrize("arguments", [["--threshold", "1.5"], ["--hash", "--bits", "8"], ["--threshold", "-0.1"]])
def test_what_cannot_be_is_refused(home: Path, arguments: list[str]) -> None:
    """A cosine over 1, and more bits than are searched completely, are refused before anything is read."""
    result = run(home, *arguments)

    assert 2 == result.exit_code
    assert load_groups(home / "collections" / "photos") is None


def test_nothing_found_is_said(home: Path) -> None:
    """Where there are no duplicates the answer says 0 groups, and the kept groups are none."""
    Searcher.open(home / "collections", "photos").view.collection.latest().delete(["copy.png", "one.jpg", "two.jpg"])

    result = run(home, "--threshold", "1")

    assert 0 == result.exit_code, result.output
    assert "0 groups of 0 items" in result.output
    groups = load_groups(home / "collections" / "photos")
    assert groups is not None
    assert 0 == len(groups.rows)


def test_a_later_run_takes_the_place_of_an_earlier_one(home: Path) -> None:
    """The kept groups are those of the last run, with its options."""
    run(home, "--threshold", "1")
    run(home, "--threshold", "0.5", "--chains")

    groups = load_groups(home / "collections" / "photos")

    assert groups is not None
    assert (0.5, True) == (groups.info.threshold, groups.info.chains)


def test_a_weak_model_is_told_of(home: Path) -> None:
    """Where less than half of the altered copies can be told from strangers, the advice is to compare looks."""
    result = run(home)

    weak = float(result.output.split(": ")[1].split("%")[0]) < 50
    assert weak == ("--hash finds copies by their look" in result.output + result.stderr)


def test_what_it_reads_is_held(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items are removed, and what is old is published away and cleaned up, while it compares: it finds what it saw."""
    look = find.find_duplicates

    def disturbed(seen: Searcher, options: find.Options, tell: Tell) -> find.Duplicates:
        now = seen.view.collection.latest()
        now.delete(["copy.png"])
        for _ in range(KEEP + 1):
            publish(now)
        remove_old_versions(now.latest(), timedelta(0))
        # as a process sees it that has read nothing yet
        pinned = now.at(seen.view.collection.version, seen.view.collection.captions_version)
        assert 8 == pinned.count()
        return look(seen, options, tell)

    monkeypatch.setattr(find, "find_duplicates", disturbed)

    result = run(home, "--threshold", "1")

    assert 0 == result.exit_code, result.output
    assert "copy.png" in result.output or "0.png" in result.output
    assert not [
        tag for tag in Searcher.open(home / "collections", "photos").view.collection.items.tags.list() if "read" in tag
    ]
