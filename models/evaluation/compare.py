"""Two models on the same queries, and one recipe under several seeds."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from models.errors import ModelError
from models.evaluation.outcomes import Words
from models.evaluation.report import DataTag, ModelTag, Report
from models.evaluation.statistics import RESAMPLES, Interval, mean_and_sd, paired_bootstrap


class ReportsDiffer(ModelError):
    """Reports that were not made on the same queries say nothing about each other."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(_Part):
    """One figure of two models: b - a, and the middle 95 % of that over resamples of images."""

    name: str
    a: float
    b: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """How much b is above a."""
        return self.b - self.a

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return Interval(self.low, self.high).clear


class Comparison(_Part):
    """Model b against model a on the same data."""

    a: ModelTag | None
    b: ModelTag | None
    data: DataTag | None
    resamples: int
    seed: int
    differences: tuple[Difference, ...]


class Spread(_Part):
    """One figure over several seeds."""

    name: str
    values: tuple[float, ...]
    mean: float
    sd: float


def compare(a: Report, b: Report, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Pair two reports query by query, in the figures that both have: an earlier version's may have fewer.

    Raises:
        ReportsDiffer: they are of different data, folds or tasks.
    """
    check_same_queries(a, b)
    intervals = paired_bootstrap([a.pool], [b.pool], resamples, seed)
    if a.folds:
        parts = paired_bootstrap(a.folds, b.folds, resamples, seed)
        intervals |= {f"folds{len(a.folds)}.{name}": interval for name, interval in parts.items()}
    differences = tuple(
        Difference(name=name, a=value, b=b.figures[name], low=intervals[name].low, high=intervals[name].high)
        for name, value in a.figures.items()
        if name in b.figures
    )
    return Comparison(a=a.model, b=b.model, data=a.data, resamples=resamples, seed=seed, differences=differences)


def spread(reports: Sequence[Report]) -> list[Spread]:
    """Mean and standard deviation of every figure that all have over models of one recipe under several seeds.

    Raises:
        ReportsDiffer: two reports are of different data, or of one model.
        ValueError: there are fewer than two.
    """
    for each in reports[1:]:
        check_same_queries(reports[0], each)
    digests = [(each.model.digest, each.model.variant) for each in reports if each.model]
    if len(set(digests)) < len(digests):
        raise ReportsDiffer("two of the reports are of the same bundle: its figures would count twice")
    found: list[Spread] = []
    for name in reports[0].figures:
        if not all(name in each.figures for each in reports):
            continue
        values = tuple(each.figures[name] for each in reports)
        mean, sd = mean_and_sd(values)
        found.append(Spread(name=name, values=values, mean=mean, sd=sd))
    return found


def check_same_queries(a: Report, b: Report) -> None:
    """Refuse reports whose queries cannot be paired.

    Raises:
        ReportsDiffer: saying what differs.
    """
    if a.data is None or b.data is None:
        raise ReportsDiffer("a report does not say what data it is of: make it again with `vilem eval … --out`")
    if a.data.digest != b.data.digest:
        raise ReportsDiffer(
            f"these reports are of different data: {_said(a)} and {_said(b)}; measure both models on the same one"
        )
    if len(a.folds) != len(b.folds):
        raise ReportsDiffer(f"one report has {len(a.folds)} folds, the other {len(b.folds)}: use the same --folds")
    for one, other in zip([a.pool, *a.folds], [b.pool, *b.folds], strict=True):
        shapes = [{name: (task.images, task.groups) for name, task in pool.tasks.items()} for pool in (one, other)]
        asked = [pool.words and bool(pool.words.known) for pool in (one, other)]
        if shapes[0] != shapes[1] or asked[0] != asked[1]:
            raise ReportsDiffer("the reports measured different tasks: make both with the same command")
        if one.words and other.words and _judged(one.words) != _judged(other.words):
            raise ReportsDiffer(
                "the models did not read the same words, because one cuts texts or cleans them otherwise: "
                "what they find is not of the same words"
            )


def _judged(words: Words) -> tuple[list[int], dict[str, list[int]]]:
    """What was asked of a model; which corrections it can answer is a matter of its own vocabulary."""
    return words.images, words.wrong


def _said(each: Report) -> str:
    assert each.data is not None
    return f"{each.data.source} ({each.images:,} images, {each.captions:,} captions, {each.data.digest[:12]}…)"
