"""Videos on the command line: build, search, moments."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from index.collection import Collection
from tests.support.collections import link_bundle
from tests.support.tiny_bundle import make_tiny_bundle
from tests.support.videos import colour_video
from vilem.cli.index_videos import clock, video_options
from vilem.cli.main import app

WIDE = {"COLUMNS": "300", "TERM": "dumb"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with "films", built by the command: red then blue, and green."""
    home = tmp_path_factory.mktemp("films")
    link_bundle(home, tiny_bundle)
    (home / "source").mkdir()
    (home / "source" / "red-blue.mp4").write_bytes(colour_video("red", "blue"))
    (home / "source" / "green.mp4").write_bytes(colour_video("green"))
    run(home, "index", "build", "films", str(home / "source"), "--model", tiny_bundle.name)
    return home


def run(home: Path, *arguments: str) -> str:
    """Output of a command that succeeds."""
    result = CliRunner().invoke(app, [*arguments, "--home", str(home)], env=WIDE)
    assert 0 == result.exit_code, result.output
    return result.output


def test_another_model_takes_videos_as_they_were_or_as_it_is_told(home: Path, tmp_path: Path) -> None:
    """Moments lie where `build` was told, also after a change of models; `reindex --every` takes all of them anew."""
    for number, name in enumerate(("second", "third"), 1):
        link_bundle(home, make_tiny_bundle(tmp_path / name, dim=16, seed=number))
    run(home, "index", "build", "kept", str(home / "source"), "--model", "tiny", "--every", "0.5")
    times = moments(home, "kept")
    assert 8 == len(times)

    run(home, "index", "reindex", "kept", "--model", "second")
    assert times == moments(home, "kept")

    run(home, "index", "reindex", "kept", "--model", "third", "--every", "2")
    assert 2 == len(moments(home, "kept"))


def test_upserted_videos_are_taken_as_the_collection_has_them(home: Path, tmp_path: Path) -> None:
    """Those that are there stay as they are taken, new ones come as most are; options take what the source names otherwise."""
    run(home, "index", "build", "grown", str(home / "source"), "--model", "tiny", "--every", "0.5")
    times = moments(home, "grown")
    (tmp_path / "more").mkdir()
    for name, colour in (("red-blue.mp4", None), ("new.mp4", "green"), ("other.mp4", "red")):
        data = colour_video(colour) if colour else (home / "source" / name).read_bytes()
        (tmp_path / "more" / name).write_bytes(data)

    told = run(home, "index", "upsert", "grown", str(tmp_path / "more"))

    assert "2 embedded, 1 updated, 0 unchanged" in told
    assert times == moments(home, "grown")
    assert moments(home, "grown", "green.mp4") == moments(home, "grown", "new.mp4")
    assert 4 == len(moments(home, "grown", "new.mp4"))

    run(home, "index", "upsert", "grown", str(tmp_path / "more"), "--every", "1")

    assert 4 == len(moments(home, "grown")) and 2 == len(moments(home, "grown", "new.mp4"))
    assert 4 == len(moments(home, "grown", "green.mp4"))
    # of two ways that were taken, each stays its own
    assert "3 unchanged" in run(home, "index", "upsert", "grown", str(tmp_path / "more"))
    assert 4 == len(moments(home, "grown", "green.mp4"))


def moments(home: Path, name: str, film: str = "red-blue.mp4") -> list[float]:
    """Seconds of the moments of a film, by itself the longer one."""
    collection = Collection.open(home / "collections", name)
    record = collection.get(film)
    found = None if record is None else collection.moments.of(record)
    assert found is not None
    return found.seconds.tolist()


def test_moments_are_searched(home: Path) -> None:
    """The first hit is the second from which the colour is shown, on paper and for programs."""
    table = run(home, "search", "films", "blue", "--moments", "--limit", "1")
    (line,) = run(home, "search", "films", "blue", "--moments", "--limit", "1", "--json").splitlines()

    assert "red-blue.mp4" in table and "0:02.0" in table
    found = json.loads(line)
    assert ("red-blue.mp4", 2.0) == (found["id"], found["moment"]["seconds"])


def test_videos_tell_their_best_moment(home: Path) -> None:
    """A search of items shows it beside each video."""
    hits = [json.loads(line) for line in run(home, "search", "films", "blue", "--json").splitlines()]

    assert {"red-blue.mp4": 2.0} == {hit["id"]: hit["moment"]["seconds"] for hit in hits if hit["id"] != "green.mp4"}


def test_moments_are_not_re_ranked(home: Path) -> None:
    """What does not go together is refused with what to leave out."""
    for options in (("--moments", "--texts"), ("--moments", "--rerank", "proofread")):
        result = CliRunner().invoke(app, ["search", "films", "red", *options, "--home", str(home)], env=WIDE)
        assert 2 == result.exit_code and "moments" in result.output


def test_moments_lie_as_far_apart_as_is_said(home: Path, tiny_bundle: Path) -> None:
    """The same command with another step makes them anew."""
    source, model = str(home / "source"), tiny_bundle.name

    told = run(home, "index", "build", "sparse", source, "--model", model, "--every", "2")
    again = run(home, "index", "build", "sparse", source, "--model", model, "--every", "2", "--moments", "1")

    assert "3 moments" in told and "2 moments" in again
    assert 2 == Collection.open(home / "collections", "sparse").moments.count()
    assert (2.0, 1) == (video_options(2.0, 1).sampling.every, video_options(2.0, 1).sampling.most)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (7.46, "0:07.5"), (59.96, "1:00.0"), (3727.5, "1:02:07.5"), (600, "10:00.0")]
)
def test_times_are_told_as_players_do(seconds: float, text: str) -> None:
    """To the tenth of a second."""
    assert text == clock(seconds)
