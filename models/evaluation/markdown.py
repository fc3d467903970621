"""A report as Markdown: to paste into an issue, a pull request or docs/results.md."""

from models.evaluation.report import Report
from models.evaluation.tables import Table, tables


def markdown(report: Report) -> str:
    """The whole report, without pictures."""
    lines = [f"# {heading(report)}", "", *(f"- {each}" for each in facts(report)), ""]
    for table in tables(report):
        lines += [f"## {table.title}", "", *table_lines(table), ""]
    return "\n".join(lines)


def table_lines(table: Table) -> list[str]:
    """A table's lines, without its title."""
    marks = ["---", *("---:" for _ in table.columns[1:])]
    return [_row(table.columns), _row(marks), *(_row(cells) for cells in table.rows)]


def heading(report: Report) -> str:
    """Which model on which data."""
    model = report.model.name if report.model else "a model in no bundle"
    return f"{model} on {report.data.source}" if report.data else model


def facts(report: Report) -> list[str]:
    """What a reader must know to trust the figures, or to make them again."""
    found: list[str] = []
    if report.model:
        found.append(f"model {report.model.name} ({report.model.variant}), digest {report.model.digest[:16]}…")
    if report.data:
        split = f", split {report.data.split}" if report.data.split else ""
        found.append(f"data {report.data.source} ({report.data.layout}{split}), digest {report.data.digest[:16]}…")
    found += warnings(report)
    if report.pool.tasks:
        found.append(
            "whatever scores exactly as much as the right answer is ranked before it: ties never help the model"
        )
    if report.pool.words:
        found.append("a wrong word that scores exactly as much as a right one counts one half")
    return found


def warnings(report: Report) -> list[str]:
    """What makes the figures other than they seem."""
    found: list[str] = []
    units = "videos" if report.unit == "video" else "pictures"
    if report.data and report.data.skipped:
        found.append(f"{units} missing and left out: {report.data.skipped:,}; these are figures of a smaller pool")
    only_pool = report.images - report.pool.images
    if only_pool:
        found.append(f"{only_pool:,} of {report.images:,} {units} have no captions: searched among, never asked for")
    if report.truncated:
        found.append(f"texts longer than the model's context, which lost their end: {report.truncated:,}")
    if report.pool.words and report.pool.words.unread:
        found.append(f"words beyond the model's context, not read and not judged: {report.pool.words.unread:,}")
    return found


def _row(cells: tuple[str, ...] | list[str]) -> str:
    escaped = (" ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
