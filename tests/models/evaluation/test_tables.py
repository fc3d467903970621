"""Figures as rows of text."""

import numpy as np
import pytest

from models.evaluation.compare import compare, spread
from models.evaluation.figures import figures
from models.evaluation.report import Report
from models.evaluation.tables import (
    comparison_table,
    edits_table,
    is_share,
    percent,
    retrieval_table,
    spread_table,
    tables,
)
from tests.models.evaluation.made import random_pool, small_report, words_report


def _report(folds: int = 0) -> Report:
    rng = np.random.default_rng(0)
    pool, parts = random_pool(rng), tuple(random_pool(rng, images=5) for _ in range(folds))
    return Report(images=1030, captions=60, pool=pool, folds=parts, figures=figures(pool, parts))


def test_every_row_has_every_column() -> None:
    """All tables are rectangles, whatever was measured."""
    made = [*tables(_report(3)), comparison_table(compare(small_report(0), small_report(1), 100))]
    made.append(spread_table(spread([small_report(0), small_report(1)])))

    assert all(len(row) == len(table.columns) for table in made for row in table.rows)


def test_a_report_shows_what_it_measured() -> None:
    """Retrieval, groups of captions and edits have a table each; what was not measured has none."""
    whole = _report()
    only = whole.model_copy(
        update={"pool": whole.pool.model_copy(update={"tasks": {"edits": whole.pool.tasks["edits"]}})}
    )

    assert ["1,030 images, 60 captions", "Text→image by group of captions"] == [each.title for each in tables(whole)][
        :2
    ]
    assert 3 == len(tables(whole))
    assert 1 == len(tables(only))


def test_both_directions_and_the_folds_have_a_row() -> None:
    """Folds stand below the whole, named as means; RSUM stands once for both directions."""
    found = retrieval_table(_report(5))

    assert ["text→image", "image→text", "text→image, mean of 5 folds", "image→text, mean of 5 folds"] == [
        row[0] for row in found.rows
    ]
    assert [False, True, False, True] == [row[-1] == "" for row in found.rows]


def test_figures_in_rows_are_the_reports() -> None:
    """R@1 in percent, the median rank as it is."""
    report = _report()

    first = retrieval_table(report).rows[0]

    assert (percent(report.figures["t2i_r1"]), f"{report.figures['t2i_median']:g}") == (first[2], first[5])


def test_kinds_come_first_then_means_then_groups() -> None:
    """The macro mean stands below the kinds that it is of."""
    rows = [row[0] for row in edits_table(_report()).rows]

    assert ["one", "two", "macro mean over kinds", "all pairs"] == rows


def test_what_other_images_prefer_stands_beside() -> None:
    """Where captions were compared with their edits beside other images too, a column says how that came out."""
    report = _report()
    pool = report.pool.model_copy(update={"tasks": report.pool.tasks | {"shuffled": report.pool.tasks["edits"]}})
    both = edits_table(report.model_copy(update={"pool": pool, "figures": figures(pool)}))

    assert "another image's" == both.columns[-1]
    assert all(share == other for _, _, share, other in both.rows)
    assert "another image's" not in edits_table(report).columns


@pytest.mark.parametrize(("value", "text"), [(0, "0.0 %"), (0.8945, "89.5 %"), (1, "100.0 %")])
def test_shares_are_percent(value: float, text: str) -> None:
    """One digit behind the point: more would be noise at a thousand queries."""
    assert text == percent(value)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("t2i_r1", True),
        ("edits.macro", True),
        ("t2i_r5.1 object", True),
        ("t2i_median", False),
        ("folds5.rsum", False),
        ("words.told", True),
        ("words.corrected", True),
        ("words.alarms", True),
        ("words.auroc.one", False),
        ("words.shuffled", False),
    ],
)
def test_ranks_and_sums_are_no_shares(name: str, share: bool) -> None:
    """Medians are ranks, RSUM is in points already and AUROC is an area: none is multiplied by a hundred."""
    assert share == is_share(name)


def test_differences_have_a_sign() -> None:
    """Plus and minus are written, and whether zero is left out."""
    for row in comparison_table(compare(small_report(0), small_report(1), 100)).rows:
        assert row[3][0] in "+-"
        assert row[4].startswith("[")
        assert row[5] in ("yes", "no")


def test_words_are_told_in_three_tables() -> None:
    """How well wrong words are found, all and by kind, how many are called wrong, and how many are restored; areas are no percentages."""
    report = words_report()
    found, _, restored = tables(report)

    assert ["all", "one", "two"] == [row[0] for row in found.rows]
    assert f"{report.figures['words.auroc']:.3f}" == found.rows[0][2]
    assert f"{report.figures['words.shuffled']:.3f}" == found.rows[0][3]
    assert ["right word restored", "called wrong and restored"] == [row[0] for row in restored.rows]
    assert percent(report.figures["words.corrected"]) == restored.rows[0][2]
    assert all(len(row) == len(table.columns) for table in (found, restored) for row in table.rows)


def test_words_are_compared_as_areas_and_shares() -> None:
    """Three digits for AUROC, with a sign for its difference; percent for what is restored."""
    rows = {row[0]: row for row in comparison_table(compare(words_report(), words_report(), 100)).rows}

    assert ("+0.000", "[+0.000, +0.000]") == rows["words.auroc"][3:5]
    assert ("+0.0", "[+0.0, +0.0]") == rows["words.told"][3:5]


def test_what_cannot_be_restored_has_no_row() -> None:
    """Where no right word can be answered, no share of them is shown."""
    bare = words_report(known=[], restored=[])

    assert () == tables(bare)[2].rows


def test_false_alarms_stand_beside_what_is_found() -> None:
    """Of wrong words and of right ones the share that is called wrong is shown, under the threshold that it was called by."""
    report = words_report(threshold=0.25)
    older = report.model_copy(
        update={"figures": {name: report.figures[name] for name in report.figures if "called" not in name}}
    )

    (found,), (bare,) = ([each for each in tables(one) if "0.25" in each.title] for one in (report, older))

    assert [
        ("wrong words", percent(report.figures["words.called"])),
        ("right words", percent(report.figures["words.alarms"])),
    ] == [(row[0], row[2]) for row in found.rows]
    # of a report that was made before there was such a figure
    assert ["right words"] == [row[0] for row in bare.rows]
