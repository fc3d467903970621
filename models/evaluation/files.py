"""A report's three files: `report.json` for programs, `report.md` to paste, `report.html` to look at."""

from pathlib import Path

from models.evaluation.dataset import Dataset
from models.evaluation.markdown import markdown
from models.evaluation.page import page
from models.evaluation.pictures import pictures_of
from models.evaluation.report import REPORT_NAME, Report
from models.sealed import write_atomically


def write_report(report: Report, data: Dataset, folder: Path) -> list[Path]:
    """Write all three, each whole or not at all; the JSON last, so that it stands only beside its page.

    Args:
        report: what was measured.
        data: on what, for the pictures.
        folder: made when missing; files of an earlier report are replaced.

    Returns:
        The files.
    """
    wanted = {name for each in report.rivals for name in (each.image, each.other_image) if name}
    wanted |= {each.image for each in report.read}
    paths = [folder / name for name in ("report.md", "report.html", REPORT_NAME)]
    write_atomically(paths[0], markdown(report).encode())
    write_atomically(paths[1], page(report, pictures_of(data.entries, wanted)).encode())
    report.write(paths[2])
    return paths
