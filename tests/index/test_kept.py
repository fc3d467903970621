"""Values that were asked for last."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.kept import Kept


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 50)), max_size=40))
def test_the_last_are_kept_within_both_bounds(asked: list[tuple[int, int]]) -> None:
    """As a list in the order of asking says: what is there is not made again, what is too much goes, the oldest first."""
    kept, model = Kept[tuple[int, int]](3, 100), OrderedDict[int, tuple[int, int]]()
    for key, size in asked:
        expected = model.pop(key, (key, size))
        model[key] = expected
        while len(model) > 1 and (len(model) > 3 or sum(each for _, each in model.values()) > 100):
            model.popitem(last=False)

        assert expected == kept.of(key, lambda key=key, size=size: (key, size), lambda value: value[1])
        assert len(model) == len(kept)


def test_the_last_stays_however_large() -> None:
    """What is larger than all that may be kept is kept as long as nothing else is asked for."""
    kept, made = Kept[int](4, 10), list[int]()

    for _ in range(3):
        assert 7 == kept.of("large", lambda: made.append(7) or 7, lambda _: 1_000)
    kept.of("small", lambda: 1, lambda _: 1)
    kept.of("large", lambda: made.append(7) or 7, lambda _: 1_000)

    assert [7, 7] == made


def test_what_fails_is_not_kept() -> None:
    """An error goes to who asked, and the next one tries again."""
    kept = Kept[int](4, 10)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            kept.of("x", lambda: 1 // 0, lambda _: 1)
    assert 5 == kept.of("x", lambda: 5, lambda _: 1)


def test_threads_share_it() -> None:
    """Whoever makes a value, each gets the one of the key, and the bounds hold."""
    kept = Kept[int](3, 100)

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda number: kept.of(number % 5, lambda: number % 5, lambda _: 30), range(400)))

    assert [number % 5 for number in range(400)] == got
    assert len(kept) <= 3
