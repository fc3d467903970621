"""`vilem eval compare` and `vilem eval seeds`, as a user types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import ModelError
from models.evaluation.report import ReportUnreadable
from tests.support.tiny_bundle import make_tiny_bundle
from tests.vilem.evaluating import vilem_eval, write_colours_tar
from vilem.cli.eval import app


@pytest.fixture(scope="module")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second model: other random weights."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "other", seed=1)


@pytest.fixture
def two(tiny_bundle: Path, other_bundle: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Reports of two models on one data set."""
    folders = tmp_path / "a", tmp_path / "b"
    tar = write_colours_tar(tmp_path)
    for bundle, folder in zip((tiny_bundle, other_bundle), folders, strict=True):
        vilem_eval(bundle, tar, "--out", folder)
    return folders


def test_two_models_are_compared(two: tuple[Path, Path]) -> None:
    """The table names both models and every figure with its interval; folder and file are both taken."""
    done = vilem_eval("compare", two[0], two[1] / "report.json")

    assert "A: tiny (fp32)" in done.output
    assert "B: other (fp32)" in done.output
    for word in ("t2i_r1", "i2t_median", "rsum", "95 % interval"):
        assert word in done.output


def test_a_comparison_can_be_read_by_programs(two: tuple[Path, Path]) -> None:
    """With --json the differences are numbers, and equal seeds give equal ones."""
    one, again = (vilem_eval("compare", *two, "--json", "--seed", "3", "--resamples", "200").stdout for _ in range(2))

    found = json.loads(one)
    assert one == again
    assert (3, 200) == (found["seed"], found["resamples"])
    assert all(each["low"] <= each["high"] for each in found["differences"])


def test_other_data_is_not_compared(tiny_bundle: Path, two: tuple[Path, Path], tmp_path: Path) -> None:
    """Reports of other data are refused with a sentence that names both."""
    vilem_eval(tiny_bundle, "--scenes", "3", "--out", tmp_path / "scenes")

    with pytest.raises(ModelError, match=r"different data: .*colours\.tar .* and 3 rendered scenes"):
        vilem_eval("compare", two[0], tmp_path / "scenes", fails=ModelError)


def test_seeds_are_summed_up(two: tuple[Path, Path]) -> None:
    """Mean and deviation of every figure, as a table and for programs."""
    found = json.loads(vilem_eval("seeds", *two, "--json").stdout)

    assert "±" in vilem_eval("seeds", *two).output
    assert {2} == {len(each["values"]) for each in found}
    assert "rsum" in {each["name"] for each in found}


def test_one_seed_is_refused(two: tuple[Path, Path]) -> None:
    """A single report has no spread, and the command says what it needs."""
    done = CliRunner().invoke(app, ["seeds", str(two[0])], env={"COLUMNS": "140"})

    assert 2 == done.exit_code
    assert "two reports at least" in " ".join(done.output.split())


def test_a_comparison_is_written(two: tuple[Path, Path], tmp_path: Path) -> None:
    """--out writes JSON, Markdown and a page of the same differences, and says where; --json prints what the file holds."""
    done = vilem_eval("compare", *two, "--out", tmp_path / "both", "--resamples", "100")
    printed = vilem_eval("compare", *two, "--out", tmp_path / "both", "--resamples", "100", "--json").stdout

    for name in ("compare.json", "compare.md", "compare.html"):
        assert str(tmp_path / "both" / name) in done.output
    assert json.loads(printed) == json.loads((tmp_path / "both" / "compare.json").read_text())


def test_a_spread_is_written(two: tuple[Path, Path], tmp_path: Path) -> None:
    """--out writes JSON, Markdown and a page of the same figures, and says where."""
    done = vilem_eval("seeds", *two, "--out", tmp_path / "both")

    for name in ("seeds.json", "seeds.md", "seeds.html"):
        assert str(tmp_path / "both" / name) in done.output
    figures = json.loads((tmp_path / "both" / "seeds.json").read_text())["figures"]
    assert json.loads(vilem_eval("seeds", *two, "--json").stdout) == figures


def test_a_bundle_is_no_report(two: tuple[Path, Path], tiny_bundle: Path) -> None:
    """A bundle in a report's place is told, with the command that makes a report of it."""
    for command in ("compare", "seeds"):
        with pytest.raises(
            ReportUnreadable, match=r"is a bundle, .* `vilem eval retrieval .*tiny SOURCE --out FOLDER`"
        ):
            vilem_eval(command, two[0], tiny_bundle, fails=ReportUnreadable)
