"""One measurement, as it is kept: what was measured on what, every query's outcome, and the figures made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import ModelError
from models.evaluation.dataset import Dataset, Unit
from models.evaluation.figures import KS, figures
from models.evaluation.outcomes import Pool, retrieval_pool
from models.manifest import MANIFEST_NAME
from models.sealed import write_atomically

REPORT_NAME = "report.json"


class ReportUnreadable(ModelError):
    """A file is no report of this program."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelTag(_Part):
    """Which model: the bundle's name, the digest of its manifest, and the precision that ran."""

    name: str
    digest: str
    variant: str


class DataTag(_Part):
    """Which data.

    Attributes:
        source: where they came from.
        layout: how they lay there.
        split: which part.
        digest: SHA-256 over every picture's bytes and every text: reports of equal digest saw the same queries.
        skipped: pictures left out because their files were missing.
        unit: whether its pictures are images or videos.
    """

    source: str
    layout: str
    split: str
    digest: str
    skipped: int = 0
    unit: Unit = "image"

    @classmethod
    def of(cls, data: Dataset, digest: str) -> "DataTag":
        """The tag of a data set whose pictures and texts have *digest*."""
        return cls(
            source=data.source,
            layout=data.layout,
            split=data.split,
            digest=digest,
            skipped=data.skipped,
            unit=data.unit,
        )


class Rival(_Part):
    """One query and what stood nearest to being, or was, taken for its answer.

    Attributes:
        text: the true caption.
        image: id of its picture.
        score: their cosine.
        rank: of the picture for the caption, or of the caption against its edit (1 or 2).
        other_image: id of the best other picture, for retrieval.
        other_text: the edited caption, for edits.
        kind: what was changed in it.
        other_score: the rival's cosine.
    """

    text: str
    image: str
    score: float
    rank: int
    other_image: str | None = None
    other_text: str | None = None
    kind: str | None = None
    other_score: float

    @property
    def won(self) -> bool:
        """Whether the true answer scored strictly higher."""
        return self.score > self.other_score


class WrongWord(_Part):
    """One wrong word of an edited caption, and what a proofreader said of it.

    Attributes:
        start: its first character in the text.
        end: behind its last one.
        wrong: P(wrong), in [0, 1], beside its own picture.
        told: whether that is told to who reads.
        guess: what the proofreader would put there first, also where that is not told.
        should_be: what stood there, in lower case; None where that is not exactly one word.
    """

    start: int
    end: int
    wrong: float
    told: bool
    guess: str | None = None
    should_be: str | None = None


class ReadText(_Part):
    """An edited caption that a proofreader read.

    Attributes:
        text: as the model reads it.
        image: id of its picture.
        kind: of the edit.
        words: those of its wrong words that were judged, in order; at least one.
    """

    text: str
    image: str
    kind: str
    words: tuple[WrongWord, ...]

    @property
    def won(self) -> bool:
        """Whether every wrong word is told."""
        return all(word.told for word in self.words)


class Group(_Part):
    """Text→image recall, in [0, 1] at each K, of some of the captions against all images."""

    captions: int
    text_to_image: dict[int, float]


class Report(_Part):
    """What was measured.

    Attributes:
        version: of this format.
        model: None for towers that are in no bundle yet.
        data: None likewise.
        images: size of the pool, pictures without captions included.
        captions: how many true texts.
        truncated: texts longer than the model's context, which lost their end.
        pool: every query's outcome.
        folds: the same within parts of the pool; none when it was not cut.
        figures: by name, see `models.evaluation.figures`.
        rivals: examples of wins and losses.
        read: the same of a proofreader.
    """

    version: Literal[1] = 1
    model: ModelTag | None = None
    data: DataTag | None = None
    images: int
    captions: int
    truncated: int = 0
    pool: Pool
    folds: tuple[Pool, ...] = ()
    figures: dict[str, float]
    rivals: tuple[Rival, ...] = ()
    read: tuple[ReadText, ...] = ()

    @property
    def unit(self) -> Unit:
        """What was searched for."""
        return self.data.unit if self.data else "image"

    @property
    def groups(self) -> dict[str, Group]:
        """Text→image recall of each group of captions."""
        ranked = self.pool.tasks.get("t2i")
        if ranked is None:
            return {}
        return {
            name: Group(captions=len(rows), text_to_image={k: self.figures[f"t2i_r{k}.{name}"] for k in KS})
            for name, rows in ranked.groups.items()
        }

    @property
    def kinds(self) -> list[str]:
        """Kinds of edits that were compared."""
        return self.pool.tasks["edits"].kinds if "edits" in self.pool.tasks else []

    def pairs(self, group: str) -> int:
        """How many true captions were compared with an edit of this kind or group."""
        return len(self.pool.tasks["edits"].groups[group])

    def metrics(self) -> dict[str, float]:
        """One flat table for a bundle's manifest: sizes, and every figure rounded to 4 places."""
        sizes = {"images": float(self.images), "captions": float(self.captions)}
        return {**sizes, **{name: round(value, 4) for name, value in self.figures.items()}}

    def write(self, path: Path) -> None:
        """Write it as JSON: whole or not at all."""
        write_atomically(path, self.model_dump_json(exclude_none=True).encode())


def read_report(path: Path) -> Report:
    """Read what `Report.write` wrote; *path* may be the folder that holds it.

    Raises:
        ReportUnreadable: no such file, or it is something else.
    """
    if (path / MANIFEST_NAME).is_file() and not (path / REPORT_NAME).is_file():
        raise ReportUnreadable(
            f"{path} is a bundle, and a report is expected: make one with `vilem eval retrieval {path} SOURCE --out FOLDER`, "
            "of every bundle on the same SOURCE, and give these folders"
        )
    path = path / REPORT_NAME if path.is_dir() else path
    if not path.is_file():
        raise ReportUnreadable(f"no report at {path}: expected the report.json of `vilem eval … --out FOLDER`")
    try:
        return Report.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ReportUnreadable(f"{path}: {place}: {first['msg']}: expected a report of this ViLEM") from error


def report(
    images: np.ndarray, texts: np.ndarray, owners: np.ndarray, labels: Sequence[tuple[str, ...]] | None = None
) -> Report:
    """Measure retrieval of one pool of vectors.

    Args:
        images: (N, d) unit vectors; those without captions only make the pool larger.
        texts: (M, d) unit vectors.
        owners: (M,) row of each caption's image.
        labels: for each caption the groups it counts in; None for no groups.

    Raises:
        ValueError: not one entry of labels for each caption.
    """
    pool = retrieval_pool(images, texts, owners, labels or ())
    return Report(images=len(images), captions=len(texts), pool=pool, figures=figures(pool))
