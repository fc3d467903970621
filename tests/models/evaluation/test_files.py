"""A report's three files."""

from pathlib import Path

from models.bundle import Bundle
from models.evaluation.files import write_report
from models.evaluation.measure import measure
from models.evaluation.report import read_report
from tests.models.evaluation.made import colours


def test_three_files_are_written(tiny_bundle: Path, tmp_path: Path) -> None:
    """JSON, Markdown and HTML stand in the folder, which is made; the JSON is the report."""
    data = colours()
    report = measure(Bundle.open(tiny_bundle), data)

    found = write_report(report, data, tmp_path / "new" / "folder")

    assert ["report.md", "report.html", "report.json"] == [path.name for path in found]
    assert report == read_report(tmp_path / "new" / "folder")
    assert (tmp_path / "new/folder/report.md").read_text().startswith("# tiny on colours")
    assert 0 == sum(path.name.startswith(".") for path in (tmp_path / "new/folder").iterdir())


def test_the_page_holds_the_pictures_of_its_examples(tiny_bundle: Path, tmp_path: Path) -> None:
    """Every example's pictures are embedded, none is linked."""
    data = colours()
    report = measure(Bundle.open(tiny_bundle), data)
    write_report(report, data, tmp_path)

    text = (tmp_path / "report.html").read_text()

    assert 2 * len(report.rivals) == text.count('<img src="data:image/jpeg;base64,')


def test_an_earlier_report_is_replaced(tiny_bundle: Path, tmp_path: Path) -> None:
    """A second run leaves the second report."""
    bundle = Bundle.open(tiny_bundle)
    for count in (8, 4):
        data = colours(count)
        write_report(measure(bundle, data), data, tmp_path)

    assert 4 == read_report(tmp_path).images
    assert 3 == len(list(tmp_path.iterdir()))
