"""A report as Markdown."""

import pytest

from models.evaluation.markdown import facts, heading, markdown, table_lines, warnings
from models.evaluation.report import Report
from models.evaluation.tables import Table
from tests.models.evaluation.made import small_report, words_report


def test_everything_a_report_says_is_there() -> None:
    """Heading, what a reader must know, and each table."""
    text = markdown(small_report())

    assert text.startswith("# model-0 on somewhere\n")
    assert "## 6 images, 12 captions" in text
    assert "| text→image | 12 |" in text
    assert "| first | 6 |" in text


def test_cells_cannot_break_the_table() -> None:
    """A bar, a line break or a backslash in a group's name stays within its cell."""
    found = table_lines(Table("t", ("", "n"), (("a|b\nc\\|", "1"),)))

    assert ["|  | n |", "| --- | ---: |", r"| a\|b c\\\| | 1 |"] == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truncated": 3}, "lost their end: 3"),
        ({"images": 9}, "3 of 9 pictures have no captions"),
    ],
)
def test_what_makes_figures_other_than_they_seem_is_said(change: dict[str, int], said: str) -> None:
    """Cut texts and larger pools are facts of the report; a plain one has no warning."""
    report = small_report()

    assert said in " ".join(facts(report.model_copy(update=change)))
    assert [] == warnings(report)


def test_skipped_pictures_are_said() -> None:
    """Figures of fewer pictures than the benchmark has must not pass for its own."""
    report = small_report()
    assert report.data is not None

    skipped = report.model_copy(update={"data": report.data.model_copy(update={"skipped": 7})})

    assert ["pictures missing and left out: 7; these are figures of a smaller pool"] == warnings(skipped)


def test_ties_are_explained() -> None:
    """Every report says how ties count."""
    assert "ties never help the model" in facts(small_report())[-1]


def test_a_report_without_tags_has_a_heading() -> None:
    """Towers in training have no bundle, and their data no name."""
    bare: Report = small_report().model_copy(update={"model": None, "data": None})

    assert "a model in no bundle" == heading(bare)
    assert 1 == len(facts(bare))


def test_what_holds_of_words_is_said_of_words() -> None:
    """Ties count one half among words; what was not read is told, and nothing is said of ranks that there are not."""
    whole, cut = words_report(), words_report(unread=7)

    assert "counts one half" in " ".join(facts(whole))
    assert "ties never help" not in " ".join(facts(whole))
    assert [] == warnings(whole)
    assert ["words beyond the model's context, not read and not judged: 7"] == warnings(cut)
    assert "| all | 67 |" in markdown(whole)
