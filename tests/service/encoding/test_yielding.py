"""Threads that stand behind the one that answers."""

import os
import sys
import threading
from collections.abc import Callable

import pytest

from service.encoding.yielding import COMPUTING, give_way, giving_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")


def priority() -> int:
    """Of the calling thread: the higher, the further behind."""
    return os.getpriority(os.PRIO_PROCESS, 0)


def in_a_thread(work: Callable[[], int]) -> int:
    """What *work* gives in another thread."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_gives_way_alone() -> None:
    """It stands so many steps behind; who started it stands where it stood."""
    before = priority()

    def behind() -> int:
        give_way(3)
        return priority()

    assert before + 3 == in_a_thread(behind)
    assert before == priority()


def test_who_gave_way_already_stays_where_it_is() -> None:
    """Steps count from the main thread, so none is put behind twice, and none comes forward."""

    def thrice() -> int:
        for steps in (3, 3, 1):
            give_way(steps)
        return priority()

    assert priority() + 3 == in_a_thread(thrice)


def test_no_steps_are_none() -> None:
    """Nought changes nothing."""

    def there() -> int:
        give_way(0)
        return priority()

    assert priority() == in_a_thread(there)


def test_what_a_thread_leaves_behind_gives_way_too() -> None:
    """A pool that is started inside stands behind as well, and outlives it."""
    go, found = threading.Event(), list[int]()

    def start() -> threading.Thread:
        thread = threading.Thread(target=lambda: found.append(priority() if go.wait(10) else -99))
        thread.start()
        return thread

    left = giving_way(COMPUTING, start)
    go.set()
    left.join()

    assert [priority() + COMPUTING] == found


def test_it_gives_what_the_work_gives() -> None:
    """Its result, or its error."""
    assert 7 == giving_way(COMPUTING, lambda: 7)
    with pytest.raises(ZeroDivisionError):
        giving_way(COMPUTING, lambda: 1 // 0)
