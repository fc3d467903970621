"""What a long job frees goes back to the system.

glibc raises the size from which on a buffer has pages of its own, up to 32 MB, whenever one of that size is freed; what is smaller
comes from heaps, one for each few threads, which keep what lies below anything that lives on. A job frees a buffer for each picture
and each commit, for hours: 290 bytes stayed behind of each row (`python -m benchmarks.embed_memory`).
"""

import ctypes
from contextlib import suppress

# of <malloc.h>
_M_MMAP_THRESHOLD = -3
# glibc's own, before it is raised
_BYTES = 128 * 1024


def give_back_large_buffers() -> None:
    """Let buffers from 128 KB on have pages of their own for the rest of the process; without glibc nothing is done."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _BYTES)
