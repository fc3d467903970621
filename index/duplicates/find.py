"""Finding duplicates: candidates from the index, checked with the stored vectors, joined to sets, cut into groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from index.duplicates.components import Components
from index.duplicates.groups import Found
from index.duplicates.hashes import Hashes, hashes_of
from index.duplicates.perceptual import near_pairs
from index.duplicates.rows import Places
from index.duplicates.stars import least_cosine, stars
from index.live.view import View
from index.neighbours import Neighbourhood, Tell, nearest_others, neighbourhoods, silent, vectors_at
from index.searcher import Searcher

# Neighbours of each picture that are looked at first; of one whose last is near still, up to so many.
_NEIGHBOURS, _MOST_NEIGHBOURS = 8, 512
# An index may have vectors coarser than those stored: what it scores a little too low is checked too.
_SLACK = 0.02
# Members of sets whose vectors are in memory together; a larger set comes alone.
_TOGETHER = 8_192


@dataclass(frozen=True)
class Options:
    """What counts as a near-duplicate.

    Attributes:
        threshold: least cosine.
        bits: or perceptual hashes that differ in at most so many of 64 bits, 0 to 7; None leaves pictures unread.
        chains: let a member resemble another member alone; else each resembles its group's representative.
    """

    threshold: float
    bits: int | None = None
    chains: bool = False


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        found: rows that are in a group.
        least: least cosine of two members, by the representative's row id; see `stars.least_cosine`.
        items: how many were compared.
        unreadable: of these, how many files could not be read for their hash.
    """

    found: Found
    least: dict[int, float]
    items: int
    unreadable: int


def find_duplicates(searcher: Searcher, options: Options, tell: Tell = silent) -> Duplicates:
    """Find the groups of duplicates among the items that a searcher sees; nothing is written but hashes.

    Items with the same bytes are one group at any threshold. Memory: about 60 bytes an item, and the vectors of
    8,192 members or of the largest set.

    Args:
        searcher: of the collection.
        options: what counts.
        tell: called as it goes on.

    Raises:
        StorageFull: no room for hashes.
    """
    tell("reading items", 0, 1)
    places = Places.of(searcher.view.collection)
    sets, degrees = Components(len(places)), np.zeros(len(places), np.int32)
    copies = np.flatnonzero(places.first != np.arange(len(places)))
    sets.join(zip(copies.tolist(), places.first[copies].tolist(), strict=True))
    for one, others in _alike(searcher.view, places, options.threshold, tell):
        sets.join(zip(one.tolist(), others.tolist(), strict=True))
        np.add.at(degrees, one, 1)
    hashes = None
    if options.bits is not None:
        hashes = hashes_of(searcher, places, tell)
        for one, others in _looking_alike(places, hashes, options.bits):
            sets.join(zip(one.tolist(), others.tolist(), strict=True))
            np.add.at(degrees, one, 1)
            np.add.at(degrees, others, 1)
    return _grouped(searcher.view, places, sets.labels(), degrees, hashes, options, tell)


def _alike(view: View, places: Places, threshold: float, tell: Tell) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of places whose stored vectors are alike, the first of them an item of each content in turn."""
    distinct = places.rows[places.distinct()]
    done = 0
    for found in neighbourhoods(view, _NEIGHBOURS, chosen=distinct):
        tell("comparing vectors", done, len(distinct))
        for hood in _deepened(view, found, threshold - _SLACK):
            query, column = np.nonzero(hood.scores >= threshold - _SLACK)
            others = hood.others[query, column]
            if len(others):
                stored = vectors_at(view.collection.items, others, view.collection.info.dim)
                near = np.einsum("nd,nd->n", hood.vectors[query], stored) >= threshold
                yield places.at(hood.rows[query[near]]), places.at(others[near])
        done += len(found.rows)
    tell("comparing vectors", done, len(distinct))


def _deepened(view: View, found: Neighbourhood, least: float) -> Iterator[Neighbourhood]:
    """The neighbourhood, in parts: of rows whose farthest neighbour is near still, deeper ones."""
    k = found.others.shape[1]
    deeper = (found.scores[:, -1] >= least) & (k < min(_MOST_NEIGHBOURS, view.images.rows - 1))
    for kept, more in ((~deeper, False), (deeper, True)):
        part = Neighbourhood(found.rows[kept], found.vectors[kept], found.scores[kept], found.others[kept])
        if not more:
            yield part
        elif len(part.rows):
            scores, others = nearest_others(view.images, part.rows, part.vectors, 8 * k)
            yield from _deepened(view, Neighbourhood(part.rows, part.vectors, scores, others), least)


def _looking_alike(places: Places, hashes: Hashes, bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of places whose pictures look alike."""
    there = places.distinct()
    there = there[hashes.known[there]]
    values, earliest, kind = np.unique(hashes.values[there], return_index=True, return_inverse=True)
    named = there[earliest]
    same = named[kind] != there
    yield there[same], named[kind][same]
    for pairs in near_pairs(values, bits):
        yield named[pairs[:, 0]], named[pairs[:, 1]]


def _grouped(
    view: View,
    places: Places,
    labels: np.ndarray,
    degrees: np.ndarray,
    hashes: Hashes | None,
    options: Options,
    tell: Tell,
) -> Duplicates:
    """The sets of two or more, cut into groups."""
    owners, cosines = np.arange(len(places)), np.ones(len(places), np.float32)
    distinct = places.distinct()
    alone = np.bincount(labels[distinct], minlength=len(places)) < 2
    members = distinct[~alone[labels[distinct]]]
    members = members[np.argsort(labels[members], kind="stable")]
    least: dict[int, float] = {}
    done = 0
    for some in _together(members, labels):
        tell("grouping", done, len(members))
        vectors = vectors_at(view.collection.items, places.rows[some], view.collection.info.dim)
        for start, end in _runs(labels[some]):
            mine, own = some[start:end], vectors[start:end]
            looks = None if hashes is None else (hashes.values[mine], hashes.known[mine], options.bits or 0)
            chosen = stars(
                own, degrees[mine], places.pixels[mine], options.threshold, looks=looks, chains=options.chains
            )
            owners[mine] = mine[chosen]
            cosines[mine] = np.einsum("nd,nd->n", own, own[chosen])
            for centre in np.unique(chosen):
                group = chosen == centre
                least[int(places.rows[mine[centre]])] = least_cosine(own[group], cosines[mine[group]])
        done += len(some)
    tell("grouping", done, len(members))
    return _result(places, owners, cosines, least, hashes)


def _result(
    places: Places, owners: np.ndarray, cosines: np.ndarray, least: dict[int, float], hashes: Hashes | None
) -> Duplicates:
    # copies go with the first item that has their bytes
    owners, cosines = owners[places.first], cosines[places.first]
    grouped = np.bincount(owners, minlength=len(places))[owners] > 1
    named = np.flatnonzero(grouped)
    found = Found(
        places.rows[named],
        places.rows[owners[named]],
        cosines[named],
        places.first[named] != named,
        places.digests[named],
    )
    kept = np.unique(found.representatives).tolist()
    unreadable = 0 if hashes is None else hashes.unreadable
    return Duplicates(found, {row: least.get(row, 1.0) for row in kept}, len(places), unreadable)


def _together(members: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
    """Whole sets, as many as fit in memory together; *members* are in the order of their sets."""
    start = 0
    for begin, end in _runs(labels[members]):
        if end - start > _TOGETHER and begin > start:
            yield members[start:begin]
            start = begin
    if start < len(members):
        yield members[start:]


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """First place, and the one behind the last, of each run of equal values."""
    cuts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [pair for pair in pairwise(cuts) if pair[0] < pair[1]]
