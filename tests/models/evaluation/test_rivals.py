"""Examples of wins and losses."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.evaluation.embed import Embedded, embed
from models.evaluation.judged import Judged
from models.evaluation.outcomes import retrieval_pool
from models.evaluation.rivals import SHOWN, edit_rivals, nearest_images, read_texts, retrieval_rivals, spread_over
from models.negatives.edited import aligned, unedited
from tests.models.evaluation.made import colours, pools


@pytest.fixture(scope="module")
def embedded(tiny_bundle: Path) -> Embedded:
    """The colours in the tiny bundle's space."""
    return embed(Bundle.open(tiny_bundle), colours().entries, edits=True)


@given(pools().filter(lambda pool: len(pool[0]) > 1), st.integers(1, 4))
@settings(max_examples=60)
def test_the_rival_is_the_best_of_the_others(pool: tuple[np.ndarray, np.ndarray, np.ndarray], chunk: int) -> None:
    """It is never a caption's own image, no other scores higher, and a caption wins exactly when it ranks first."""
    images, texts, owners = pool
    scores = texts @ images.T

    rival, own, other = nearest_images(images, texts, owners, chunk)

    assert not (rival == owners).any()
    for row, owner in enumerate(owners):
        assert scores[row, owner] == own[row]
        assert np.delete(scores[row], owner).max() == other[row] == scores[row, rival[row]]
    ranks = retrieval_pool(images, texts, owners).tasks["t2i"].ranks
    assert [rank == 1 for rank in ranks] == (own > other).tolist()


def test_examples_go_from_the_widest_margin_to_the_narrowest() -> None:
    """The best, the worst and what lies between: a page of the best alone would flatter."""
    margins = np.arange(100) / 100

    assert [99, 66, 33, 0] == spread_over(margins, np.arange(100), 4)


def test_each_picture_is_shown_once() -> None:
    """Five captions of one picture are one example: that of its widest margin."""
    assert [1, 2] == spread_over(np.array([0.1, 0.9, 0.5]), np.array([7, 7, 8]), 5)


def test_nothing_has_no_examples() -> None:
    """A model that never loses has no losses to show."""
    assert [] == spread_over(np.empty(0), np.empty(0), 5)


def test_wins_and_losses_name_their_pictures(embedded: Embedded) -> None:
    """Each example holds the caption, its picture, the best other one, and the rank that was measured."""
    data = colours()
    ranks = retrieval_pool(embedded.images, embedded.texts, embedded.owners).tasks["t2i"].ranks
    texts = {
        text: (entry.id, ranks[2 * row + n])
        for row, entry in enumerate(data.entries)
        for n, text in enumerate(entry.captions)
    }

    found = retrieval_rivals(embedded, data.entries, ranks)

    assert found
    for each in found:
        assert texts[each.text] == (each.image, each.rank)
        assert each.won == (each.rank == 1)
        assert each.other_image not in (None, each.image)
    assert sum(each.won for each in found) <= SHOWN >= sum(not each.won for each in found)


def test_a_single_picture_has_no_rival(tiny_bundle: Path) -> None:
    """With one picture nothing can stand before it."""
    data = colours(1)
    found = embed(Bundle.open(tiny_bundle), data.entries)

    assert [] == retrieval_rivals(found, data.entries, [1, 1])


def test_edits_are_shown_beside_their_caption(embedded: Embedded) -> None:
    """Each example holds the true caption, its edit, the kind and the picture of both."""
    data = colours()
    pairs = {
        (each.id, each.captions[edit.caption], edit.text, edit.kind) for each in data.entries for edit in each.edits
    }

    found = edit_rivals(embedded, data.entries, [1] * 8)

    assert found
    assert {(each.image, each.text, each.other_text, each.kind) for each in found} <= pairs
    assert all(each.won for each in found)


def _judged(kind: str, *own: float) -> list[Judged]:
    """The words of an edited caption whose wrong ones, one or two, are judged so; the right one after them is not told."""
    edit = aligned("a red dog left", "a blue cat left" if len(own) > 1 else "a blue dog left", kind)
    wrong = [Judged(True, each, 0.5, False, edit, 1 + place, "red") for place, each in enumerate(own)]
    return [*wrong, Judged(False, 0.1, 0.5, None, edit, 3)]


def test_captions_are_won_where_every_wrong_word_is_told() -> None:
    """One word at or below the threshold is a loss; right words, and captions that nobody edited, are no examples."""
    right = Judged(False, 0.9, 0.5, None, unedited("a red dog"), 1)
    found = [*_judged("one", 0.9, 0.6), *_judged("two", 0.9, 0.5), right]

    read = read_texts(found, ["a.png"] * 3 + ["b.png"] * 4, 0.5)

    assert [("a.png", "one", True), ("b.png", "two", False)] == [(each.image, each.kind, each.won) for each in read]
    assert [(True, True), (True, False)] == [tuple(word.told for word in each.words) for each in read]
    assert ["blue", "cat"] == [read[0].text[word.start : word.end] for word in read[0].words]
    assert [("red", "red"), ("red", "dog")] == [(word.guess, word.should_be) for word in read[0].words]
    assert not any(each.won for each in read_texts(found, ["a.png"] * 7, 0.9))


def test_the_same_edit_twice_is_shown_once() -> None:
    """A picture whose caption comes twice has the same false text twice: its words are not marked twice."""
    found = [*_judged("one", 0.9, 0.6), *_judged("one", 0.9, 0.6)]

    assert [["blue", "cat"]] == [
        [each.text[word.start : word.end] for word in each.words]
        for each in read_texts(found, ["a.png"] * len(found), 0.5)
    ]


def test_every_kind_has_some_of_both() -> None:
    """However many words there are, a page shows some of each kind that were told and some that were missed, of different pictures."""
    found = [word for n in range(50) for kind in ("one", "two") for word in _judged(kind, n / 50)]
    images = [f"{n}.png" for n in range(50) for _ in range(4)]

    read = read_texts(found, images, 0.5)

    assert read == read_texts(found, images, 0.5)
    assert len(read) <= 2 * SHOWN
    for kind in ("one", "two"):
        for won in (True, False):
            some = [each.image for each in read if (each.kind, each.won) == (kind, won)]
            assert len(some) == len(set(some)) > 1
