"""Two models on one data set, and one recipe under several seeds."""

import numpy as np
import pytest

from models.evaluation.compare import Difference, ReportsDiffer, check_same_queries, compare, spread
from models.evaluation.figures import figures
from models.evaluation.report import Report
from tests.models.evaluation.made import random_pool, small_report, tagged, words_report


def _folded(seed: int, folds: int = 3) -> Report:
    rng = np.random.default_rng(seed)
    pool, parts = random_pool(rng), tuple(random_pool(rng, images=10) for _ in range(folds))
    made = Report(images=30, captions=60, pool=pool, folds=parts, figures=figures(pool, parts))
    return tagged(made, digest=f"{seed:064d}")


def test_every_figure_is_compared() -> None:
    """Each figure of both reports stands there with its difference, and an interval around it."""
    a, b = small_report(0), small_report(1)

    found = compare(a, b, resamples=200)

    assert list(a.figures) == [each.name for each in found.differences]
    for each in found.differences:
        assert (a.figures[each.name], b.figures[each.name]) == (each.a, each.b)
        assert each.b - each.a == each.difference
        assert each.low <= each.high


def test_folds_are_compared_too() -> None:
    """Means over folds have intervals of their own."""
    found = compare(_folded(0), _folded(1), resamples=100)

    names = {each.name for each in found.differences}
    assert {"t2i_r1", "folds3.t2i_r1", "folds3.rsum", "edits.macro", "folds3.edits.macro"} <= names


def test_a_comparison_is_determined_by_its_seed() -> None:
    """Equal arguments give equal intervals, to the last bit."""
    a, b = small_report(0), small_report(1)

    assert compare(a, b, 100, seed=5) == compare(a, b, 100, seed=5)


def test_a_model_does_not_differ_from_itself() -> None:
    """Compared with itself, nothing is clear and nothing differs."""
    found = compare(small_report(), small_report(), 100)

    assert {(0.0, 0.0, 0.0, False)} == {
        (each.difference, each.low, each.high, each.clear) for each in found.differences
    }


def test_other_data_is_refused() -> None:
    """Reports of different data are told apart by the digest, and the message names both."""
    a, b = small_report(0), tagged(small_report(1), data="f" * 64)

    with pytest.raises(
        ReportsDiffer, match=r"different data: somewhere \(6 images, 12 captions, e{12}…\) and .* f{12}"
    ):
        compare(a, b)


def test_other_folds_are_refused() -> None:
    """1K and 5K figures are not paired."""
    with pytest.raises(ReportsDiffer, match="one report has 3 folds, the other 2"):
        compare(_folded(0), _folded(1, folds=2))


def test_other_tasks_are_refused() -> None:
    """Retrieval is not paired with edits, even of the same pictures."""
    a = _folded(0, folds=0)
    only = a.pool.model_copy(update={"tasks": {"t2i": a.pool.tasks["t2i"]}})

    with pytest.raises(ReportsDiffer, match="different tasks"):
        compare(a, a.model_copy(update={"pool": only}))


def test_reports_that_do_not_name_their_data_are_refused() -> None:
    """Without a digest nobody knows what was asked."""
    bare = small_report().model_copy(update={"data": None})

    with pytest.raises(ReportsDiffer, match="does not say what data"):
        check_same_queries(small_report(), bare)


@pytest.mark.parametrize(("low", "high", "clear"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.2, False)])
def test_a_difference_is_clear_beyond_zero(low: float, high: float, clear: bool) -> None:
    """An interval that holds zero proves nothing."""
    assert clear == Difference(name="a", a=0, b=0.15, low=low, high=high).clear


def test_the_spread_is_over_models() -> None:
    """Mean and sample deviation of every figure, with each seed's value beside them."""
    reports = [small_report(seed) for seed in range(3)]

    found = {each.name: each for each in spread(reports)}

    values = [each.figures["rsum"] for each in reports]
    assert list(reports[0].figures) == list(found)
    assert tuple(values) == found["rsum"].values
    assert (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1))) == (
        found["rsum"].mean,
        found["rsum"].sd,
    )


def test_a_bundle_counts_once() -> None:
    """The same bundle given twice would make the deviation small for nothing."""
    with pytest.raises(ReportsDiffer, match="same bundle"):
        spread([small_report(0), small_report(0)])


def test_seeds_are_compared_on_one_data_set() -> None:
    """A spread over different data would be of the data."""
    with pytest.raises(ReportsDiffer, match="different data"):
        spread([small_report(0), tagged(small_report(1), digest="1" * 64, data="f" * 64)])


def test_one_seed_has_no_spread() -> None:
    """One report alone is refused."""
    with pytest.raises(ValueError, match="no deviation"):
        spread([small_report()])


def test_words_are_compared() -> None:
    """Figures of words have intervals like all others; models with other vocabularies can still be compared."""
    a = words_report(0)
    assert a.pool.words is not None
    b = words_report(1, images=a.pool.words.images, known=a.pool.words.known[1:], restored=[])

    found = {each.name: each for each in compare(a, b, 100).differences}

    assert list(a.figures) == list(found)
    assert all(each.low <= each.difference <= each.high for each in found.values())
    assert found["words.corrected"].clear


def test_other_words_are_refused() -> None:
    """A model that reads other words of the texts, or that nothing can be asked of, is not paired."""
    a = words_report(0)

    with pytest.raises(ReportsDiffer, match="did not read the same words"):
        compare(a, words_report(1))
    with pytest.raises(ReportsDiffer, match="different tasks"):
        compare(a, words_report(1).model_copy(update={"pool": _folded(0).pool}))
    with pytest.raises(ReportsDiffer, match="different tasks"):
        check_same_queries(a, words_report(0, known=[], restored=[]))


def test_an_earlier_version_s_report_is_compared_in_what_it_has() -> None:
    """A figure that only one of the reports has is left out, whichever that is."""
    a = words_report(0)
    assert a.pool.words is not None
    b = words_report(1, images=a.pool.words.images, restored=[])
    earlier = {name: value for name, value in b.figures.items() if name != "words.called"}
    left = [name for name in a.figures if name != "words.called"]
    b = b.model_copy(update={"figures": earlier, "pool": a.pool})

    for one, other in ((a, b), (b, a)):
        assert left == [each.name for each in compare(one, other, 20).differences]
        assert left == [each.name for each in spread([one, other])]


def test_words_have_a_spread() -> None:
    """Seeds of a recipe that read the same words have a mean of each figure."""
    a = words_report(0)
    found = spread([a, *(words_report(seed).model_copy(update={"pool": a.pool}) for seed in (1, 2))])

    assert list(a.figures) == [each.name for each in found]
