"""What serving may load."""

import subprocess
import sys

import pytest

FORBIDDEN = ("torch", "torchvision", "open_clip", "transformers", "onnx", "models.training", "models.export")


@pytest.mark.parametrize(
    "module", ["service.app", "vilem.cli.main", "vilem.cli.serve", "vilem.cli.search", "index.embed", "models.bundle"]
)
def test_serving_loads_no_torch(module: str) -> None:
    """Importing what serves or indexes loads neither torch nor what needs it."""
    script = f"import sys, {module}; print([name for name in {FORBIDDEN!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.strip()
