"""What runs here stays here: no library of ours reports to its maker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import sys
from pathlib import Path
{first}
from models.bundle import Bundle
Bundle.open(Path(sys.argv[1])).embed_texts(["red"])
"""


@pytest.mark.parametrize(
    "first", ["import models.encoder", "import models.ort", "import index.searcher", "import vilem.cli.main"]
)
def test_onnx_runtime_reports_nothing(tmp_path: Path, tiny_bundle: Path, first: str) -> None:
    """Whatever is imported first, ONNX Runtime neither makes the device id nor the store of its usage reports."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)

    command = [sys.executable, "-c", CHILD.format(first=first), str(tiny_bundle)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]
