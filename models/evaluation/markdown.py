"""A report as Markdown: to paste into an issue, a pull request or docs/results.md."""

from collections.abc import Sequence

from models.evaluation.report import DataTag, ModelTag, Report
from models.evaluation.tables import Table, tables


def markdown(report: Report) -> str:
    """The whole report, without pictures."""
    return titled(heading(report), facts(report), tables(report))


def titled(title: str, facts: Sequence[str], shown: Sequence[Table]) -> str:
    """A page of Markdown: a title, what must be known, and tables."""
    lines = [f"# {title}", "", *(f"- {each}" for each in facts), ""]
    for table in shown:
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
        found.append(model_fact(report.model))
    if report.data:
        found.append(data_fact(report.data))
    found += warnings(report)
    if report.pool.tasks:
        found.append(
            "whatever scores exactly as much as the right answer is ranked before it: ties never help the model"
        )
    if report.pool.words:
        found.append("a wrong word that scores exactly as much as a right one counts one half")
    return found


def model_fact(model: ModelTag | None) -> str:
    """Which model."""
    return f"model {model.name} ({model.variant}), digest {model.digest[:16]}…" if model else "a model in no bundle"


def data_fact(data: DataTag) -> str:
    """Which data."""
    split = f", split {data.split}" if data.split else ""
    return f"data {data.source} ({data.layout}{split}), digest {data.digest[:16]}…"


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
