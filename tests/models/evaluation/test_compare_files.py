"""What reports say of each other, as files."""

import json
from pathlib import Path

from models.evaluation.compare import Comparison, compare, spread
from models.evaluation.compare_files import write_comparison, write_spread
from tests.models.evaluation.made import small_report


def test_a_comparison_is_three_files(tmp_path: Path) -> None:
    """The JSON is the comparison; Markdown and page have both models, the data and every figure."""
    found = compare(small_report(0), small_report(1), 100)

    paths = write_comparison(found, tmp_path / "new" / "folder")

    assert ["compare.md", "compare.html", "compare.json"] == [path.name for path in paths]
    assert found == Comparison.model_validate_json(paths[2].read_bytes())
    for text in (paths[0].read_text(), paths[1].read_text()):
        for said in ("model-1 against model-0", "A: model model-0", "B: model model-1", "data somewhere", "seed 0"):
            assert said in text
        assert all(each.name in text for each in found.differences)


def test_a_spread_is_three_files(tmp_path: Path) -> None:
    """The JSON has models, data and every figure's values; Markdown and page the same."""
    reports = [small_report(seed) for seed in range(3)]
    found = spread(reports)

    paths = write_spread(found, reports, tmp_path)

    read = json.loads(paths[2].read_text())
    assert ["seeds.md", "seeds.html", "seeds.json"] == [path.name for path in paths]
    assert ["model-0", "model-1", "model-2"] == [each["name"] for each in read["models"]]
    assert "somewhere" == read["data"]["source"]
    assert [each.model_dump(mode="json") for each in found] == read["figures"]
    for text in (paths[0].read_text(), paths[1].read_text()):
        assert "3 seeds of model-0" in text
        assert all(each.name in text for each in found)


def test_names_of_others_are_text(tmp_path: Path) -> None:
    """A model's name that looks like HTML becomes no tag; a report without a model says so."""
    nasty = small_report(0)
    assert nasty.model is not None
    named = nasty.model_copy(update={"model": nasty.model.model_copy(update={"name": "<script>"})})
    bare = small_report(1).model_copy(update={"model": None})

    paths = write_comparison(compare(named, bare, 100), tmp_path)

    assert "<script>" not in paths[1].read_text()
    assert "B: a model in no bundle" in paths[0].read_text()


def test_a_report_beside_it_stays(tmp_path: Path) -> None:
    """Files of a comparison have names of their own: no report is lost."""
    small_report().write(tmp_path / "report.json")

    write_comparison(compare(small_report(0), small_report(1), 100), tmp_path)
    write_spread(spread([small_report(0), small_report(1)]), [small_report(0), small_report(1)], tmp_path)

    assert 7 == len(list(tmp_path.iterdir()))
