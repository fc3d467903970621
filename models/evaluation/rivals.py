"""Examples for a reader: queries that were answered and queries that were not, each with its nearest rival."""

from collections.abc import Sequence

import numpy as np

from models.evaluation.dataset import Entry
from models.evaluation.embed import Embedded
from models.evaluation.judged import Judged
from models.evaluation.report import ReadText, Rival, WrongWord

# of wins and of losses, and of each kind of edit as many in all: a page that can be read
SHOWN = 12


def nearest_images(
    images: np.ndarray, texts: np.ndarray, owners: np.ndarray, chunk: int = 1024
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best image that is not a caption's own.

    Args:
        images: (N, d) unit vectors, N at least 2.
        texts: (M, d) unit vectors.
        owners: (M,) row of each caption's image.
        chunk: captions compared at a time.

    Returns:
        (M,) row of that image, (M,) the cosine of the caption's own image, (M,) the cosine of the other.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start in range(0, len(texts), chunk):
        scores = texts[start : start + chunk] @ images.T  # (c, N)
        rows = np.arange(len(scores))
        own = scores[rows, owners[start : start + chunk]]
        scores[rows, owners[start : start + chunk]] = -np.inf
        best = scores.argmax(axis=1)
        parts.append((best, own, scores[rows, best]))
    rival, own, other = (np.concatenate(each) for each in zip(*parts, strict=True))
    return rival, own, other


def spread_over(margins: np.ndarray, images: np.ndarray, count: int) -> list[int]:
    """Up to *count* queries of different images, evenly from the widest margin to the narrowest: not the best alone.

    Args:
        margins: (Q,) own score - rival's score.
        images: (Q,) image of each query.
        count: how many.
    """
    seen: set[int] = set()
    order = np.argsort(-margins, kind="stable").tolist()
    # each image stands where its widest margin stands
    distinct = [row for row in order if not (images[row] in seen or seen.add(int(images[row])))]
    if len(distinct) <= count:
        return distinct
    places = np.linspace(0, len(distinct) - 1, count).round().astype(int)
    return [distinct[place] for place in places]


def retrieval_rivals(found: Embedded, entries: Sequence[Entry], ranks: Sequence[int]) -> list[Rival]:
    """Captions whose image ranks first, and captions before whose image another stands."""
    if len(found.images) < 2:
        return []
    rival, own, other = nearest_images(found.images, found.texts, found.owners)
    texts = [text for entry in entries for text in entry.captions]
    won = own > other
    chosen: list[int] = []
    for rows in (np.flatnonzero(won), np.flatnonzero(~won)):
        chosen += [int(rows[place]) for place in spread_over((own - other)[rows], found.owners[rows], SHOWN)]
    return [
        Rival(
            text=texts[row],
            image=entries[found.owners[row]].id,
            score=float(own[row]),
            rank=ranks[row],
            other_image=entries[rival[row]].id,
            other_score=float(other[row]),
        )
        for row in chosen
    ]


def edit_rivals(found: Embedded, entries: Sequence[Entry], ranks: Sequence[int]) -> list[Rival]:
    """Captions that score above their edit, and captions that do not: some of every kind."""
    edits = found.edits
    pictures = found.images[edits.images]
    own = (found.texts[edits.texts] * pictures).sum(axis=1)
    other = (edits.vectors * pictures).sum(axis=1)
    chosen = _some_of_each(edits.kinds, own > other, own - other, edits.images)
    texts = [(entry.id, entry.captions[edit.caption], edit.text) for entry in entries for edit in entry.edits]
    return [
        Rival(
            text=texts[row][1],
            image=texts[row][0],
            score=float(own[row]),
            rank=ranks[row],
            other_text=texts[row][2],
            kind=edits.kinds[row],
            other_score=float(other[row]),
        )
        for row in chosen
    ]


def read_texts(found: Sequence[Judged], images: Sequence[str], threshold: float) -> list[ReadText]:
    """Edited captions whose wrong words are all told, and captions with one that is not: some of every kind.

    Args:
        found: W words; those of one text stand together.
        images: W ids of their pictures.
        threshold: a word is told whose P(wrong) is above it.
    """
    texts: dict[tuple[str, str, str], list[Judged]] = {}
    for word, image in zip(found, images, strict=True):
        if word.wrong:
            words = texts.setdefault((image, word.kind, word.edit.text), [])
            # a picture whose caption comes twice may have the same edit twice: one of them is shown
            if not words or words[0].edit is word.edit:
                words.append(word)
    # the word that is nearest to being missed, or missed by most
    least = np.array([min(word.own for word in words) for words in texts.values()])
    units = np.unique([image for image, _, _ in texts], return_inverse=True)[1]
    rows = _some_of_each([kind for _, kind, _ in texts], least > threshold, least, units)
    keys = list(texts)
    chosen: list[ReadText] = []
    for image, kind, text in (keys[row] for row in rows):
        words = tuple(_wrong_word(word, threshold) for word in texts[image, kind, text])
        chosen.append(ReadText(text=text, image=image, kind=kind, words=words))
    return chosen


def _wrong_word(word: Judged, threshold: float) -> WrongWord:
    there = word.edit.words[word.place]
    return WrongWord(
        start=there.start,
        end=there.end,
        wrong=round(word.own, 4),
        told=word.own > threshold,
        guess=word.guess,
        should_be=word.edit.should_be[word.place],
    )


def _some_of_each(kinds: Sequence[str], won: np.ndarray, margins: np.ndarray, images: np.ndarray) -> list[int]:
    """Rows of some that were won and of some that were lost, of each kind; see `spread_over`."""
    of, names = np.array(kinds), sorted(set(kinds))
    each = max(2, 2 * SHOWN // max(1, len(names))) // 2
    chosen: list[int] = []
    for name in names:
        for right in (True, False):
            rows = np.flatnonzero((of == name) & (won == right))
            chosen += [int(rows[place]) for place in spread_over(margins[rows], images[rows], each)]
    return chosen
