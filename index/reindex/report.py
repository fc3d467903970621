"""What was measured of a new generation before it took the old one's place, and whether that is good enough."""

import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from index.sealed_json import SealedJson

SCHEMA_VERSION = 1
REPORT_FILE = "report.json"
# Differences of fewer standard errors than this may be chance.
_SURE = 2.0


class _Part(BaseModel):
    # of one caption the standard error is infinite
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Side(_Part):
    """One of the two generations."""

    generation: str
    bundle_name: str
    bundle_digest: str
    dim: int
    rows: int
    recall_at_10: float | None = Field(description="of its index against exact search; None where none is published")


class Retrieval(_Part):
    """How many of the sampled captions find a picture that has them among the K best, of both generations, in percent."""

    k: int
    old: float
    new: float
    error: float = Field(description="standard error of new minus old, over the same captions, in points")

    @property
    def loss(self) -> float:
        """Points that the new generation is worse by."""
        return self.old - self.new

    def is_worse(self, points: float) -> bool:
        """Whether it is worse by more than *points*, and not by chance."""
        return self.loss > points and self.loss > _SURE * self.error


class Report(SealedJson):
    """The whole of `report.json`."""

    schema_version: int = SCHEMA_VERSION
    collection: str
    created_at: str
    old: Side
    new: Side
    embedded: int = Field(description="images that went through the new model in this run")
    lost: int = Field(description="items that are served and could not be embedded")
    pictures: int = Field(description="stored pictures that were embedded anew and searched for")
    pictures_lost: int = Field(description="of these, the ones that did not find themselves")
    sampled: int = Field(description="items whose neighbours were compared")
    overlap_at_10: float | None = Field(description="mean share of the 10 nearest others that both generations name")
    captions: int = Field(description="captions that were searched with")
    retrieval: list[Retrieval]
    not_compared: str | None = Field(description="why the two were not compared")
    failures: list[str] = Field(default=[], description="checks that it did not pass")
    forced: bool = False


def write_report(folder: Path, report: Report) -> Report:
    """Store it in a generation's folder, sealed; the report as it is in there."""
    return report.write(folder / REPORT_FILE)


def read_report(folder: Path) -> Report | None:
    """The report in a generation's folder; None where nothing was measured before it was served.

    Raises:
        CollectionTooNew: written by a newer ViLEM.
        CollectionInvalid: damaged or altered.
    """
    return Report.read(folder / REPORT_FILE, "remove it; nothing but what was measured of this generation is lost")


def failures(report: Report, *, min_overlap: float | None, max_loss: float) -> list[str]:
    """What speaks against the new generation.

    Args:
        report: with all that was measured.
        min_overlap: least overlap@10; None = any.
        max_loss: points of text-to-image R@1, R@5 and R@10 that it may lose; what chance explains (two standard errors of
            the paired difference) does not count.
    """
    found: list[str] = []
    overlap = report.overlap_at_10
    if min_overlap is not None and overlap is not None and overlap < min_overlap:
        found.append(f"overlap@10 with the old ranking is {overlap:.2f}, {min_overlap:.2f} is wanted")
    if min_overlap is not None and overlap is None:
        found.append(f"overlap@10 could not be measured: {report.not_compared}")
    found += [
        f"text to image R@{each.k} falls from {each.old:.1f} to {each.new:.1f}, {max_loss:g} points are allowed"
        for each in report.retrieval
        if each.is_worse(max_loss)
    ]
    return found


def standard_error(differences: list[float]) -> float:
    """Of the mean of paired differences."""
    count = len(differences)
    if count < 2:
        return math.inf
    mean = sum(differences) / count
    return math.sqrt(sum((each - mean) ** 2 for each in differences) / (count - 1) / count)
