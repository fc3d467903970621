"""What happened to every query: the ranks that all figures, intervals and comparisons are made of.

Retrieval in both directions and true captions against false ones have one form: a query's rank, and the image that it
belongs to. A true caption is ranked among two, itself and its edit.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from models.evaluation.embed import Embedded
from models.evaluation.retrieval import image_to_text_ranks, text_to_image_ranks

# "shuffled": captions against their edits as "edits", beside other images than their own
Task = Literal["t2i", "i2t", "edits", "shuffled"]
EDITS: tuple[Task, ...] = ("edits", "shuffled")


class Ranked(BaseModel):
    """Q queries of one task.

    Attributes:
        ranks: Q ranks, 1 = first; ties count against the model.
        images: Q numbers, below the pool's `images`: queries of one image are drawn together when resampling.
        groups: names of groups, and which queries count in each.
        kinds: the groups that a macro mean is over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranks: list[PositiveInt]
    images: list[int]
    groups: dict[str, list[int]] = {}
    kinds: list[str] = []


class Words(BaseModel):
    """W words that a proofreader judged (`models.evaluation.judged`).

    Attributes:
        images: W numbers, below the pool's `images`: words of one image are drawn together when resampling.
        own: P(wrong) of each beside its own picture.
        other: the same beside another's.
        wrong: which of the words are wrong, by the kind of their edit; no word is of two kinds.
        known: those wrong words of which it is known what should stand there, by a word that the model can answer.
        restored: those of the known that its first guess restores.
        edits: how many false texts were read.
        captions: how many true ones.
        unread: how many words would have been judged, and lie beyond the model's context.
        threshold: the P(wrong) above which the proofreader calls a word wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: list[int]
    own: list[float]
    other: list[float]
    wrong: dict[str, list[int]]
    known: list[int]
    restored: list[int]
    edits: int
    captions: int
    unread: int = 0
    # of reports that do not say it, which were made when it was everybody's
    threshold: float = 0.5

    @model_validator(mode="after")
    def _rows_are_there(self) -> "Words":
        count = len(self.images)
        if not len(self.own) == len(self.other) == count:
            raise ValueError(f"{count} words need as many figures beside their own pictures and beside others'")
        wrong = [row for rows in self.wrong.values() for row in rows]
        if not all(0 <= row < count for row in wrong) or len(set(wrong)) < len(wrong):
            raise ValueError(f"a wrong word is beyond the {count} that there are, or of two kinds")
        if not set(self.restored) <= set(self.known) <= set(wrong):
            raise ValueError("only wrong words can be known, and only known ones restored")
        return self


class Pool(BaseModel):
    """Queries over one set of images.

    Attributes:
        images: how many images have captions; these are the units of resampling.
        tasks: the queries.
        words: what a proofreader says of the captions' words; None where none was asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(gt=0)
    tasks: dict[Task, Ranked]
    words: Words | None = None

    @model_validator(mode="after")
    def _rows_are_there(self) -> "Pool":
        for name, task in self.tasks.items():
            count = len(task.ranks)
            if len(task.images) != count or not all(0 <= image < self.images for image in task.images):
                raise ValueError(f"{name}: each of {count} queries needs an image below {self.images}")
            if not all(0 <= row < count for rows in task.groups.values() for row in rows):
                raise ValueError(f"{name}: a group names a query beyond the {count} that there are")
            if not set(task.kinds) <= task.groups.keys():
                raise ValueError(f"{name}: a kind is no group")
        if self.words and not all(0 <= image < self.images for image in self.words.images):
            raise ValueError(f"words: each needs an image below {self.images}")
        return self


def retrieval_pool(
    images: np.ndarray, texts: np.ndarray, owners: np.ndarray, labels: Sequence[tuple[str, ...]] = ()
) -> Pool:
    """Rank both directions over one pool.

    Args:
        images: (N, d) unit vectors; those without captions only make the pool larger.
        texts: (M, d) unit vectors.
        owners: (M,) row of each caption's image.
        labels: for each caption the groups it counts in; none for no groups.

    Raises:
        ValueError: not one entry of labels for each caption.
    """
    if labels and len(labels) != len(texts):
        raise ValueError(f"{len(labels)} labels for {len(texts)} captions: give one tuple of labels for each caption")
    captioned, units = np.unique(owners, return_inverse=True)
    forward = text_to_image_ranks(images, texts, owners)
    backward = image_to_text_ranks(images[captioned], texts, units)
    tasks: dict[Task, Ranked] = {
        "t2i": Ranked(ranks=forward.tolist(), images=units.tolist(), groups=grouped(labels)),
        "i2t": Ranked(ranks=backward.tolist(), images=list(range(len(captioned)))),
    }
    return Pool(images=len(captioned), tasks=tasks)


def folded(found: Embedded, folds: int) -> list[Pool]:
    """Retrieval within *folds* parts of consecutive images, as COCO's 1K figures are made of its 5K test images.

    Raises:
        ValueError: fewer than two images in a fold, or images without captions (whose fold nobody knows).
    """
    count = len(found.images)
    if count < 2 * folds:
        raise ValueError(f"{count} images cannot be cut into {folds} folds: each needs two at least")
    if len(np.unique(found.owners)) < count:
        raise ValueError("a pool with images that have no captions cannot be cut into folds: leave --folds out")
    pools: list[Pool] = []
    for rows in np.array_split(np.arange(count), folds):
        inside = (found.owners >= rows[0]) & (found.owners <= rows[-1])
        pools.append(retrieval_pool(found.images[rows], found.texts[inside], found.owners[inside] - rows[0]))
    return pools


def grouped(labels: Iterable[tuple[str, ...]]) -> dict[str, list[int]]:
    """For each label, sorted, the positions that have it."""
    found: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(labels):
        for name in names:
            found[name].append(row)
    return {name: found[name] for name in sorted(found)}
