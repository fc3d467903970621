"""One import of open_clip for every build of torch."""

import subprocess
import sys

SCRIPT = """
from models.open_clip_import import import_open_clip
first = import_open_clip()
second = import_open_clip()
import open_clip
print(first is second is open_clip, hasattr(open_clip, "create_model"))
"""


def test_open_clip_imports_in_a_fresh_process_and_twice() -> None:
    """In a process that has not loaded torchvision the import works, and the second one is the same module."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert "True True" == done.stdout.strip()
