"""A report: figures by group, and what is kept of a measurement."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.figures import KS, RECALLS, figures
from models.evaluation.report import Group, Report, ReportUnreadable, Rival, read_report, report
from models.manifest import MANIFEST_NAME
from tests.models.evaluation.made import random_pool, small_report, tagged, words_report

IMAGES = np.eye(3, dtype=np.float32)
TEXTS = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
OWNERS = np.array([0, 1, 1, 2])
LABELS = [("list", "seen"), ("list", "new"), ("brief", "new"), ("brief", "seen")]


def test_a_caption_counts_in_each_of_its_groups() -> None:
    """A group's recall is over the captions with its label, against all images."""
    found = report(IMAGES, TEXTS, OWNERS, LABELS)

    assert {"brief": 2, "list": 2, "new": 2, "seen": 2} == {name: each.captions for name, each in found.groups.items()}
    assert {"brief": 0.5, "list": 1.0, "new": 0.5, "seen": 1.0} == {
        name: each.text_to_image[1] for name, each in found.groups.items()
    }


def test_groups_of_equal_size_average_to_the_whole() -> None:
    """When every caption has exactly one label, recalls weighted by size give the recall of all captions."""
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(20, 4)), rng.normal(size=(60, 4))
    owners = np.tile(np.arange(20), 3)
    labels = [(f"group-{row % 4}",) for row in range(60)]

    found = report(images, texts, owners, labels)

    for k in KS:
        mean = sum(each.captions * each.text_to_image[k] for each in found.groups.values()) / 60
        assert pytest.approx(found.figures[f"t2i_r{k}"]) == mean


def test_without_labels_there_are_no_groups() -> None:
    """A pool without labels is measured as a whole only."""
    found = report(IMAGES, TEXTS, OWNERS)

    assert (3, 4, {}) == (found.images, found.captions, found.groups)


def test_labels_must_match_the_captions() -> None:
    """One tuple of labels for each caption, or an error that says both counts."""
    with pytest.raises(ValueError, match="1 labels for 4 captions"):
        report(IMAGES, TEXTS, OWNERS, [("list",)])


def test_metrics_are_flat_numbers() -> None:
    """The table for a manifest holds the sizes and every figure, as floats of four places."""
    metrics = report(IMAGES, TEXTS, OWNERS, LABELS).metrics()

    assert (3.0, 4.0, 0.75, 0.5) == tuple(metrics[name] for name in ("images", "captions", "t2i_r1", "t2i_r1.brief"))
    assert {*RECALLS, "t2i_median", "i2t_median", "rsum"} <= metrics.keys()
    assert 2 + len(RECALLS) + 3 + 4 * len(KS) == len(metrics)
    assert all(isinstance(value, float) and value == round(value, 4) for value in metrics.values())


def test_a_group_is_a_value() -> None:
    """Two groups with equal figures are equal."""
    assert Group(captions=1, text_to_image={1: 0.5}) == Group(captions=1, text_to_image={1: 0.5})


def test_edits_are_counted_by_kind() -> None:
    """Kinds are those of the macro mean, with the number of pairs of each; retrieval alone has none."""
    pool = random_pool(np.random.default_rng(0), images=5)
    found = Report(images=5, captions=10, pool=pool, figures=figures(pool))

    assert (["one", "two"], 5) == (found.kinds, found.pairs("one"))
    assert [] == report(IMAGES, TEXTS, OWNERS).kinds


@pytest.mark.parametrize(("other", "won"), [(0.4, True), (0.5, False), (0.6, False)])
def test_a_tie_is_no_win(other: float, won: bool) -> None:
    """The true answer must score strictly higher."""
    rival = Rival(text="a", image="b", score=0.5, rank=1, other_score=other)

    assert won == rival.won


def test_a_report_survives_the_disk(tmp_path: Path) -> None:
    """What is read is what was written: outcomes, figures to the last bit, groups, tags."""
    made = small_report()

    made.write(tmp_path / "new" / "report.json")

    assert made == read_report(tmp_path / "new" / "report.json")
    assert made == read_report(tmp_path / "new")


def test_the_file_says_its_version(tmp_path: Path) -> None:
    """A later program can tell what it reads."""
    small_report().write(tmp_path / "report.json")

    assert 1 == json.loads((tmp_path / "report.json").read_text())["version"]


def test_figures_can_be_made_again_from_the_file(tmp_path: Path) -> None:
    """Outcomes are kept, so that every figure can be checked without the model."""
    small_report(3).write(tmp_path / "report.json")

    found = read_report(tmp_path)

    assert figures(found.pool) == found.figures


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "version"),
        ({"pool": {"images": 0, "tasks": {}}}, r"pool\.images"),
        ({"surprise": 1}, "surprise"),
        ({"figures": {"t2i_r1": "high"}}, r"figures\.t2i_r1"),
    ],
)
def test_another_file_is_no_report(tmp_path: Path, change: dict[str, object], why: str) -> None:
    """What this program did not write is refused, with the place that breaks it."""
    content = {**small_report().model_dump(mode="json"), **change}
    (tmp_path / "report.json").write_text(json.dumps(content))

    with pytest.raises(ReportUnreadable, match=why):
        read_report(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_what_is_no_json_object_is_no_report(tmp_path: Path, content: str) -> None:
    """Empty, cut and other files are refused in one sentence."""
    (tmp_path / "report.json").write_text(content)

    with pytest.raises(ReportUnreadable, match="expected a report of this ViLEM"):
        read_report(tmp_path)


def test_a_missing_report_says_how_to_make_one(tmp_path: Path) -> None:
    """The message names the option that writes it."""
    with pytest.raises(ReportUnreadable, match=r"no report at .*--out FOLDER"):
        read_report(tmp_path)


def test_a_report_knows_its_model_only_when_told() -> None:
    """Towers in training are in no bundle: their report has no tags, and says so."""
    bare = report(IMAGES, TEXTS, OWNERS)

    assert (None, None) == (bare.model, bare.data)
    assert "model" == (tagged(bare).model or pytest.fail("no model")).name


def test_a_report_on_words_survives_the_disk(tmp_path: Path) -> None:
    """Every word's outcome is kept, and the figures can be made again from it."""
    made = words_report()

    made.write(tmp_path / "report.json")

    found = read_report(tmp_path)
    assert made == found
    assert figures(found.pool) == found.figures


def test_reports_of_before_words_are_read(tmp_path: Path) -> None:
    """A report without words does not speak of them, so that older programs read it too, and is read without them."""
    small_report().write(tmp_path / "report.json")

    assert "words" not in json.loads((tmp_path / "report.json").read_text())["pool"]
    assert read_report(tmp_path).pool.words is None


def test_a_bundle_is_told_from_a_report(tmp_path: Path) -> None:
    """A bundle's folder is refused with the command that measures it; a report that lies in one is read."""
    (tmp_path / MANIFEST_NAME).write_text("{}")

    with pytest.raises(
        ReportUnreadable, match=r"is a bundle, and a report is expected: .* `vilem eval retrieval .* --out"
    ):
        read_report(tmp_path)
    small_report().write(tmp_path / "report.json")
    assert small_report() == read_report(tmp_path)
