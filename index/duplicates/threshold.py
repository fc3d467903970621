"""Which cosine makes two pictures of a collection near-duplicates: measured on its own pictures, with its own model.

No number fits all: of the altered copies of a picture 95 % have a cosine of at least 0.85 to it with one model and 0.98 with another,
and with the other 0.97 is what strangers reach. So some pictures are altered as copies are on their way through the world
(recompressed, halved, cut to 90 % of each side, brightened and paled) and embedded, and many are compared with the nearest other
picture of the whole collection.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from index.datasets import row_ids
from index.duplicates.overlap import is_plain, same_picture
from index.errors import NothingToMeasure, SourceError
from index.neighbours import Tell, nearest_others, silent
from index.rows import vectors_of
from index.schema import Record
from index.searcher import Searcher
from index.vectors import unit
from models.bundle import Bundle
from models.decode import decode
from models.errors import InputError

PICTURES = 48
STRANGERS = 500
# of pictures whose nearest stranger may be over the threshold
MAX_FALSE = 0.01
# of altered copies that should be over it, where strangers let them
RECALL = 0.95

_QUALITY = 92
# a picture with more copies than this says nothing of strangers
_NEIGHBOURS = 8


def _half(image: Image.Image) -> Image.Image:
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)


def _cut(image: Image.Image) -> Image.Image:
    side, top = round(0.05 * image.width), round(0.05 * image.height)
    return image.crop((side, top, image.width - side, image.height - top))


def _recoloured(image: Image.Image) -> Image.Image:
    return ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(1.1)).enhance(0.8)


# What happens to copies, and the JPEG quality that they are saved with.
ALTERATIONS: Mapping[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "JPEG of quality 40": (lambda image: image, 40),
    "half the size": (_half, _QUALITY),
    "cut to 90 % of each side": (_cut, _QUALITY),
    "brighter by 10 %, paler by 20 %": (_recoloured, _QUALITY),
}


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        threshold: to take: no more than `MAX_FALSE` of the pictures have a stranger over it; and where that leaves room, so
            strict that `RECALL` of the copies are still over it.
        copies: cosines of each kind of altered copy to its original, (p,) float32 by the kind's name.
        strangers: (s,) float32 cosines of pictures to the nearest other picture that is no copy of theirs.
    """

    threshold: float
    copies: Mapping[str, np.ndarray]
    strangers: np.ndarray

    def recall(self, threshold: float) -> float:
        """Share of the altered copies at or over a threshold."""
        return float((np.concatenate(list(self.copies.values())) >= threshold).mean())

    def false(self, threshold: float) -> float:
        """Share of the pictures with a stranger at or over a threshold."""
        return float((self.strangers >= threshold).mean()) if len(self.strangers) else 0.0


def altered(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Each kind of altered copy of a picture, by its name, as a JPEG file."""
    for name, (change, quality) in ALTERATIONS.items():
        buffer = io.BytesIO()
        change(image).save(buffer, "JPEG", quality=quality)
        yield name, buffer.getvalue()


def measure_threshold(
    searcher: Searcher,
    bundle: Bundle,
    tell: Tell = silent,
    *,
    pictures: int = PICTURES,
    strangers: int = STRANGERS,
    seed: int = 0,
) -> Measured:
    """Measure a collection.

    Args:
        searcher: of the collection.
        bundle: that embedded it.
        tell: called as it goes on.
        pictures: how many are altered and embedded, in four ways each.
        strangers: how many are compared with their nearest neighbour.
        seed: of the sample.

    Raises:
        NothingToMeasure: not one of 4 x *pictures* could be read.
    """
    rng = np.random.default_rng(seed)
    rows, vectors = _sample(searcher, rng, max(strangers, 4 * pictures))
    copies = _copies(searcher, bundle, rows, vectors, pictures, tell)
    nearest = _strangers(searcher, rows[:strangers], vectors[:strangers], tell)
    ranked = np.sort(nearest)[::-1]
    # just over the first of the strangers that must stay below
    floor = ranked[int(MAX_FALSE * len(ranked))] + 1e-4 if len(ranked) else -1.0
    wanted = np.quantile(np.concatenate(list(copies.values())), 1 - RECALL)
    return Measured(float(np.round(min(1.0, max(floor, wanted)), 4)), copies, nearest)


def _sample(searcher: Searcher, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Row ids (n,) and unit vectors (n, d) of so many items in random order, or of all."""
    items = searcher.view.collection.items
    total = items.count_rows()
    places = np.sort(rng.choice(total, min(count, total), replace=False))
    table = items.take(places.tolist(), columns=["vector", "_rowid"])
    order = rng.permutation(table.num_rows)
    rows = row_ids(table)
    return rows[order], unit(vectors_of(table["vector"], searcher.dim))[order]


def _copies(
    searcher: Searcher, bundle: Bundle, rows: np.ndarray, vectors: np.ndarray, wanted: int, tell: Tell
) -> dict[str, np.ndarray]:
    cosines: dict[str, list[float]] = {name: [] for name in ALTERATIONS}
    records = searcher.view.collection.records_at(rows[: 4 * wanted].tolist())
    done = 0
    for record, vector in zip(records, vectors, strict=False):
        data = _bytes(searcher, record)
        if data is None or done == wanted:
            continue
        tell("embedding altered copies", done, wanted)
        try:
            made = list(altered(decode(data)))
        except InputError:
            continue
        found = bundle.embed_images(np.stack([bundle.prepare(copy) for _, copy in made]))
        for (name, _), cosine in zip(made, unit(found) @ vector, strict=True):
            cosines[name].append(float(cosine))
        done += 1
    tell("embedding altered copies", done, done)
    if not done:
        raise NothingToMeasure(
            f"none of {len(records)} pictures of collection {searcher.name!r} can be read, so no threshold can be measured: "
            "bring the files back, or name one, `--threshold 0.95`"
        )
    return {name: np.array(values, np.float32) for name, values in cosines.items()}


def _strangers(searcher: Searcher, rows: np.ndarray, vectors: np.ndarray, tell: Tell) -> np.ndarray:
    """Cosines (s,) of pictures to the nearest other one that is no copy of theirs; exact for the highest, which decide."""
    scores, others = nearest_others(searcher.view.images, rows, vectors, _NEIGHBOURS)
    nearest = np.full(len(rows), -np.inf, np.float32)
    sure = 0
    for done, flat in enumerate(np.argsort(-scores, axis=None, kind="stable")):
        place, column = divmod(int(flat), _NEIGHBOURS)
        if others[place, column] < 0 or sure > MAX_FALSE * len(rows):
            break
        if np.isinf(nearest[place]):
            tell("comparing pictures with their neighbours", done, scores.size)
            pair = searcher.view.collection.records_at([int(rows[place]), int(others[place, column])])
            if not _may_be_copies(searcher, pair):
                nearest[place] = scores[place, column]
                sure += 1
            else:
                scores[place, column] = -np.inf
    tell("comparing pictures with their neighbours", scores.size, scores.size)
    # below those no file was read: what is nearest of the rest is a stranger, or does not matter
    nearest = np.where(np.isinf(nearest), scores.max(axis=1), nearest)
    return nearest[np.isfinite(nearest)]


def _may_be_copies(searcher: Searcher, pair: list[Record | None]) -> bool:
    """Whether one may be the other, cut perhaps, or has nothing to tell by: such a pair says nothing of strangers."""
    if len({record.sha256 for record in pair if record}) == 1:
        return True
    pictures = [_bytes(searcher, record) for record in pair]
    try:
        one, other = (decode(data, min_side=64) for data in pictures if data is not None)
    except (InputError, ValueError):
        # one of them cannot be read or decoded
        return False
    return is_plain(one) or is_plain(other) or same_picture(one, other)


def _bytes(searcher: Searcher, record: Record | None) -> bytes | None:
    try:
        return None if record is None else searcher.image_bytes(record)
    except SourceError:
        return None
