"""Threads that compute for long give way to the one that answers.

An event loop that is asked for more than the cores can do needs half a core to answer some and refuse the rest, and beside four threads
that compute on two cores it was given its turn late: refusals took a second (docs/load.md). Linux has a priority for each thread; a
thread hands its own on to those that it starts, which is how a library's are reached. Where nothing else waits for a core this
costs nothing.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# Steps of `nice`, behind the loop and the searches: a sixth of their weight. At ten a thread that holds the interpreter could be
# kept from a core by other programs while the loop waits for it.
COMPUTING = 8


def give_way(steps: int) -> None:
    """Put the calling thread, and all that it starts from now on, so many steps behind the main one; for good. On Linux alone."""
    if steps and sys.platform == "linux":
        stands = os.getpriority(os.PRIO_PROCESS, os.getpid()) + steps
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(stands, os.getpriority(os.PRIO_PROCESS, 0)))


def giving_way(steps: int, work: Callable[[], T]) -> T:
    """What *work* gives, done in a thread of its own that gives way: so do the threads that it leaves behind.

    Raises:
        Exception: whatever *work* raises.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="giving-way", initializer=give_way, initargs=(steps,)) as pool:
        return pool.submit(work).result()
