"""`vilem eval video`, as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.report import read_report
from tests.models.evaluation.made_clips import write_msrvtt
from vilem.cli.eval import app


def _vilem(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["video", *map(str, arguments)], env={"COLUMNS": "140"})


def test_a_data_set_in_msrvtts_layout_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    """A bundle and a folder: both directions, in a table and for programs."""
    folder = write_msrvtt(tmp_path)

    shown, told = _vilem(tiny_bundle, folder, "--frames", "2"), _vilem(tiny_bundle, folder, "--frames", "2", "--json")

    assert (0, 0) == (shown.exit_code, told.exit_code), shown.output + told.output
    for words in ("3 videos, 3 captions", "text→video", "video→text", "R@10", "median rank"):
        assert words in shown.output
    assert (3.0, 1.0, 1.0) == tuple(json.loads(told.stdout)[name] for name in ("images", "t2i_r1", "i2t_r1"))


def test_rendered_clips_are_the_default(tiny_bundle: Path) -> None:
    """Without a data set clips are rendered, and their false captions compared, kind by kind."""
    done = _vilem(tiny_bundle, "--clips", "3", "--seed", "2", "--frames", "2", "--json")

    found = json.loads(done.stdout)
    assert (3.0, 9.0) == (found["images"], found["captions"])
    assert {"edits.direction-flipped", "edits.axis-turned", "edits.macro"} <= found.keys()


def test_cuts_are_rendered(tiny_bundle: Path) -> None:
    """With --shots each clip is of several scenes; nothing false is known of their captions."""
    found = json.loads(_vilem(tiny_bundle, "--clips", "2", "--shots", "2", "--frames", "4", "--json").stdout)

    assert (2.0, 10.0) == (found["images"], found["captions"])
    assert not any(name.startswith("edits") for name in found)


def test_pooling_is_chosen(tiny_bundle: Path, tmp_path: Path) -> None:
    """And stands in the report, which has a page."""
    folder = write_msrvtt(tmp_path)

    done = _vilem(tiny_bundle, folder, "--pool", "attention", "--temperature", "0.2", "--out", tmp_path / "report")

    assert 0 == done.exit_code, done.output
    found = read_report(tmp_path / "report")
    assert found.model is not None
    assert "fp32, 8 frames, attention at 0.2" == found.model.variant
    assert "data:image/jpeg" in (tmp_path / "report" / "report.html").read_text()


def test_missing_videos_are_told_or_left_out(tiny_bundle: Path, tmp_path: Path) -> None:
    """Without its file a video is named; --skip-missing measures the rest."""
    folder = write_msrvtt(tmp_path)
    (folder / "videos" / "video1.mp4").unlink()

    done = _vilem(tiny_bundle, folder)
    assert isinstance(done.exception, DatasetInvalid)
    assert "1 of 3 videos are missing" in str(done.exception)

    assert "videos missing and left out: 1" in _vilem(tiny_bundle, folder, "--skip-missing").output


def test_folders_splits_and_captions_are_passed_on(tiny_bundle: Path, tmp_path: Path) -> None:
    """Videos elsewhere; a split that is not there; the first caption alone."""
    folder = write_msrvtt(tmp_path / "texts")
    (folder / "videos").rename(tmp_path / "elsewhere")

    done = _vilem(tiny_bundle, folder, "--videos", tmp_path / "elsewhere", "--captions", "1", "--json")
    assert 3.0 == json.loads(done.stdout)["captions"]

    assert "holds neither" in str(_vilem(tiny_bundle, folder, "--split", "train").exception)


@pytest.mark.parametrize("wrong", [["--frames", "0"], ["--pool", "loudest"], ["--temperature", "0"]])
def test_what_cannot_be_asked_is_refused(tiny_bundle: Path, wrong: list[str]) -> None:
    """By the command line, before anything is opened."""
    assert 2 == _vilem(tiny_bundle, *wrong).exit_code


def test_help_shows_an_example() -> None:
    """What it does, and a line to type."""
    done = _vilem("--help")

    assert "vilem eval video" in done.output
    assert "Example" in done.output


@pytest.mark.parametrize(
    ("idle", "source", "needs"),
    [
        (["--temperature", "0.1"], False, "--pool attention"),
        (["--clips", "500"], True, "no SOURCE"),
        (["--shots", "1"], True, "no SOURCE"),
        (["--seed", "0"], True, "no SOURCE"),
        (["--split", "test"], False, "a SOURCE"),
        (["--videos", "videos"], False, "a SOURCE"),
        (["--captions", "0"], False, "a SOURCE"),
        (["--skip-missing"], False, "a SOURCE"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    tiny_bundle: Path, tmp_path: Path, idle: list[str], source: bool, needs: str
) -> None:
    """By name, with what they need, at their default values too: whoever gives one believes that it does something."""
    done = _vilem(tiny_bundle, *([write_msrvtt(tmp_path)] if source else []), *idle)

    assert 2 == done.exit_code
    said = " ".join(done.output.replace("│", " ").split())
    assert f"{idle[0]} would do nothing" in said
    assert needs in said
