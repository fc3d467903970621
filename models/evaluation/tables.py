"""Figures as rows of text: the one definition of what a table shows, for the terminal, Markdown and the page."""

from dataclasses import dataclass

from models.evaluation.compare import Comparison, Spread
from models.evaluation.figures import KS
from models.evaluation.outcomes import EDITS, Task, Words
from models.evaluation.report import Report

_MEANS = (("macro mean over kinds", "macro"), ("all pairs", "all"))


@dataclass(frozen=True)
class Table:
    """A heading, the names of the columns (the first is left-aligned), and rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def percent(value: float) -> str:
    """A share, with one digit behind the point."""
    return f"{100 * value:.1f} %"


def tables(report: Report) -> list[Table]:
    """What a report says, in order."""
    found: list[Table] = []
    if "t2i" in report.pool.tasks:
        found.append(retrieval_table(report))
        if report.groups:
            found.append(_groups_table(report))
    if report.kinds:
        found.append(edits_table(report))
    if report.pool.words:
        makers = (_found_table, _called_table, _restored_table)
        found += [made(report, report.pool.words) for made in makers]
    return found


def retrieval_table(report: Report) -> Table:
    """Both directions, and the same within folds."""
    rows = _directions(report, "")
    if report.folds:
        rows += _directions(report, f"folds{len(report.folds)}.")
    title = f"{report.images:,} {report.unit}s, {report.captions:,} captions"
    return Table(title, ("", "queries", *(f"R@{k}" for k in KS), "median rank", "RSUM"), tuple(rows))


def _directions(report: Report, prefix: str) -> list[tuple[str, ...]]:
    where = f", mean of {len(report.folds)} folds" if prefix else ""
    rows: list[tuple[str, ...]] = []
    directions: tuple[tuple[Task, str], ...] = (("t2i", f"text→{report.unit}"), ("i2t", f"{report.unit}→text"))
    for task, name in directions:
        queries = len(report.pool.tasks[task].ranks)
        recalls = (percent(report.figures[f"{prefix}{task}_r{k}"]) for k in KS)
        rsum = f"{report.figures[f'{prefix}rsum']:.1f}" if task == "t2i" else ""
        median = f"{report.figures[f'{prefix}{task}_median']:g}"
        rows.append((name + where, f"{queries:,}", *recalls, median, rsum))
    return rows


def _groups_table(report: Report) -> Table:
    rows = tuple(
        (name, f"{each.captions:,}", *(percent(each.text_to_image[k]) for k in KS))
        for name, each in report.groups.items()
    )
    return Table(f"Text→{report.unit} by group of captions", ("", "captions", *(f"R@{k}" for k in KS)), rows)


def edits_table(report: Report) -> Table:
    """True captions against their edits, by kind, then the means, then other groups."""
    kinds = report.kinds
    others = [name for name in report.pool.tasks["edits"].groups if name not in kinds]
    total = len(report.pool.tasks["edits"].ranks)
    rows = [_edits_row(report, kind, report.pairs(kind), kind) for kind in kinds]
    rows += [_edits_row(report, name, total, figure) for name, figure in _MEANS]
    rows += [_edits_row(report, name, report.pairs(name), name) for name in others]
    columns = ("", "pairs", "share") + ((f"another {report.unit}'s",) if "shuffled" in report.pool.tasks else ())
    return Table("Prefers the true caption to its edit (chance 50 %)", columns, tuple(rows))


def _edits_row(report: Report, name: str, pairs: int, figure: str) -> tuple[str, ...]:
    shares = (percent(report.figures[f"{task}.{figure}"]) for task in EDITS if task in report.pool.tasks)
    return name, f"{pairs:,}", *shares


def _found_table(report: Report, words: Words) -> Table:
    """How well wrong words are told from right ones, all and by the kind of their edit."""
    figures = report.figures
    wrong = sum(map(len, words.wrong.values()))
    rows = [("all", f"{wrong:,}", _area(figures["words.auroc"]), _area(figures["words.shuffled"]))]
    rows += [(kind, f"{len(of):,}", _area(figures[f"words.auroc.{kind}"]), "") for kind, of in words.wrong.items()]
    title = f"Finds wrong words among {len(words.own) - wrong:,} right ones (AUROC, chance 0.5)"
    return Table(title, ("", "wrong words", f"own {report.unit}", f"another {report.unit}'s"), tuple(rows))


def _called_table(report: Report, words: Words) -> Table:
    """What a user sees: how many of the wrong words are called wrong, and how many of the right ones."""
    wrong = sum(map(len, words.wrong.values()))
    named = (("wrong words", wrong, "words.called"), ("right words", len(words.own) - wrong, "words.alarms"))
    # a report that was made before these were figures has none
    rows = tuple(
        (said, f"{count:,}", percent(report.figures[name])) for said, count, name in named if name in report.figures
    )
    return Table(f"Calls a word wrong where P(wrong) is above {words.threshold:g}", ("", "words", "called wrong"), rows)


def _restored_table(report: Report, words: Words) -> Table:
    """Of the wrong words whose right word the model can answer, how many it restores."""
    named = (("right word restored", "words.corrected"), ("called wrong and restored", "words.told"))
    rows = tuple(
        (said, f"{len(words.known):,}", percent(report.figures[name])) for said, name in named if name in report.figures
    )
    title = f"Restores the right word ({words.edits:,} false and {words.captions:,} true texts)"
    return Table(title, ("", "wrong words", "share"), rows)


def comparison_table(found: Comparison) -> Table:
    """Every figure of two models, their difference and its interval."""
    rows = tuple(
        (
            each.name,
            _plain(each.name, each.a),
            _plain(each.name, each.b),
            _signed(each.name, each.difference),
            f"[{_signed(each.name, each.low)}, {_signed(each.name, each.high)}]",
            "yes" if each.clear else "no",
        )
        for each in found.differences
    )
    columns = ("", "A", "B", "B - A", "95 % interval", "leaves 0 out")
    return Table(f"{found.resamples:,} paired resamples of images", columns, rows)


def spread_table(found: list[Spread]) -> Table:
    """Every figure over seeds."""
    rows = tuple(
        (
            each.name,
            f"{_plain(each.name, each.mean)} ± {_plain(each.name, each.sd)}",
            ", ".join(_plain(each.name, value) for value in each.values),
        )
        for each in found
    )
    return Table("Mean ± standard deviation over seeds", ("", "mean ± sd", "each"), rows)


def is_share(name: str) -> bool:
    """Whether a figure is a share; medians are ranks, RSUM is in points, and AUROC is an area."""
    return not (name.endswith(("_median", "rsum")) or _is_area(name))


def _is_area(name: str) -> bool:
    return name.startswith(("words.auroc", "words.shuffled"))


def _area(value: float) -> str:
    return f"{value:.3f}"


def _plain(name: str, value: float) -> str:
    if _is_area(name):
        return _area(value)
    return f"{100 * value:.1f}" if is_share(name) else f"{value:.1f}"


def _signed(name: str, value: float) -> str:
    if _is_area(name):
        return f"{value:+.3f}"
    return f"{100 * value:+.1f}" if is_share(name) else f"{value:+.1f}"
