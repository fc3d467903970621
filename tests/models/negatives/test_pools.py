"""Words drawn in place of one another."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.negatives.pools import Pool

WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True)


def rng(seed: int = 0) -> np.random.Generator:
    """A fresh generator."""
    return np.random.default_rng(seed)


@given(WORDS, st.integers(1, 10), st.integers(0, 100))
def test_what_is_drawn_alike_is_distinct(words: list[str], most: int, seed: int) -> None:
    """Without counts no word comes twice, the word itself never, and as many come as there are and are asked for."""
    drawn = list(Pool(words).draw(words[0], most, rng(seed)))

    assert len(set(drawn)) == len(drawn) == min(most, len(words) - 1)
    assert set(drawn) <= set(words[1:])


@given(WORDS, st.integers(0, 100))
def test_another_word_takes_none_away(words: list[str], seed: int) -> None:
    """For a word that is not among them all can be drawn."""
    assert set(words) == set(Pool(words).draw("z", 8, rng(seed)))


def test_all_are_drawn_alike() -> None:
    """Without counts each other word comes first equally often."""
    pool, lots = Pool("abcde"), rng()

    first = Counter(next(pool.draw("b", 4, lots)) for _ in range(2000))

    assert {"a", "c", "d", "e"} == first.keys()
    assert all(count == pytest.approx(500, abs=90) for count in first.values())


def test_frequent_words_are_drawn_by_the_root_of_their_counts() -> None:
    """Four times as frequent in the corpus is drawn twice as often; what it lacks counts as seen once."""
    pool, lots = Pool("abcd", {"a": 4, "b": 900, "c": 16}), rng()

    drawn = Counter(word for _ in range(700) for word in pool.draw("b", 2, lots))

    assert {"a": 400, "c": 800, "d": 200} == pytest.approx(drawn, rel=0.15)


def test_there_may_be_no_other() -> None:
    """A word alone has no other, and none has nothing to draw from."""
    assert not Pool("a").has_other("a")
    assert Pool("a").has_other("b")
    assert not Pool(()).has_other("a")


def test_draws_are_made_when_they_are_asked_for() -> None:
    """Whoever takes the first word alone uses no lots for the others: one of two words comes with one lot."""
    pool, lots, same = Pool("ab", {"a": 1, "b": 1}), rng(1), rng(1)

    next(pool.draw("z", 4, lots))

    same.random()
    assert same.random() == lots.random()
