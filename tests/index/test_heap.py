"""What a long job frees goes back to the system."""

import subprocess
import sys
from ctypes import CDLL

import pytest

from index.heap import give_back_large_buffers

# Buffers of a megabyte, each below something small that lives on; then they are freed. MB that stay behind.
KEEPS = """
import sys
from pathlib import Path
from ctypes import CDLL, c_size_t, c_void_p
from index.heap import give_back_large_buffers
libc = CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = c_void_p, [c_size_t], [c_void_p]
def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024
def fill(size: int) -> int:
    at = libc.malloc(size)
    libc.memset(c_void_p(at), 1, c_size_t(size))
    return at
if sys.argv[1] == "given back":
    give_back_large_buffers()
# what raises the size
libc.free(fill(16 << 20))
before, held = resident(), []
for _ in range(64):
    held.append(fill(1 << 20))
    fill(64 << 10)
for each in held:
    libc.free(each)
print(resident() - before)
"""


def left_behind(how: str) -> int:
    """Megabytes."""
    done = subprocess.run([sys.executable, "-c", KEEPS, how], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(CDLL(None), "mallopt"), reason="no glibc here")
def test_what_is_freed_goes_back() -> None:
    """Of 64 MB that were freed below what lives on, less than half as much stays as without."""
    assert 2 * left_behind("given back") < left_behind("as ever")


def test_it_may_be_asked_for_again_and_again() -> None:
    """Each job does so, whatever library it runs on."""
    give_back_large_buffers()
    give_back_large_buffers()
