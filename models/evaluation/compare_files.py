"""What reports say of each other, as three files: JSON for programs, Markdown to paste, HTML to look at."""

import json
from collections.abc import Sequence
from pathlib import Path

from models.evaluation.compare import Comparison, Spread
from models.evaluation.markdown import data_fact, model_fact, titled
from models.evaluation.report import ModelTag, Report
from models.evaluation.tables import Table, comparison_table, spread_table
from models.page import document, table
from models.sealed import write_atomically


def write_comparison(found: Comparison, folder: Path) -> list[Path]:
    """Write `compare.md`, `compare.html` and `compare.json`, each whole or not at all.

    Args:
        found: two models on one data set.
        folder: made when missing; files of an earlier comparison are replaced, reports beside them stay.

    Returns:
        The files.
    """
    facts = [f"{letter}: {model_fact(model)}" for letter, model in (("A", found.a), ("B", found.b))]
    facts += [data_fact(found.data)] if found.data else []
    facts.append(
        f"intervals: the middle 95 % over {found.resamples:,} draws of images with replacement, the same for both models, "
        f"seed {found.seed}; they say nothing of other training seeds"
    )
    title = f"{_name(found.b)} against {_name(found.a)}"
    return _written("compare", title, facts, comparison_table(found), found.model_dump_json(), folder)


def write_spread(found: Sequence[Spread], reports: Sequence[Report], folder: Path) -> list[Path]:
    """Write `seeds.md`, `seeds.html` and `seeds.json`, each whole or not at all.

    Args:
        found: every figure over the reports.
        reports: one of each seed, of one data set.
        folder: as of `write_comparison`.

    Returns:
        The files.
    """
    data = reports[0].data
    facts = [model_fact(each.model) for each in reports] + ([data_fact(data)] if data else [])
    content = {
        "models": [each.model and each.model.model_dump() for each in reports],
        "data": data and data.model_dump(),
        "figures": [each.model_dump() for each in found],
    }
    title = f"{len(reports)} seeds of {_name(reports[0].model)}"
    return _written("seeds", title, facts, spread_table(list(found)), json.dumps(content), folder)


def _written(name: str, title: str, facts: list[str], shown: Table, content: str, folder: Path) -> list[Path]:
    paths = [folder / f"{name}{suffix}" for suffix in (".md", ".html", ".json")]
    write_atomically(paths[0], titled(title, facts, [shown]).encode())
    write_atomically(paths[1], document(title, facts, table(shown.title, shown.columns, shown.rows)).encode())
    # the last, so that it stands only beside its page
    write_atomically(paths[2], content.encode())
    return paths


def _name(model: ModelTag | None) -> str:
    return model.name if model else "a model in no bundle"
