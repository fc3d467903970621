"""`vilem index build --engine ray`."""

import subprocess
import sys
from pathlib import Path

import pytest

from index.collection import Collection
from tests.index.support import write_pictures
from tests.support.tiny_bundle import make_tiny_bundle

# of a machine that does much else meanwhile
pytestmark = pytest.mark.timeout(400)


def _build(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vilem", "index", "build", "photos", str(home / "images"), "--model", "tiny"]
    return subprocess.run(
        [*command, "--home", str(home), *options], capture_output=True, text=True, check=False, timeout=380
    )


def test_a_build_on_a_cluster_of_this_machine(tmp_path: Path) -> None:
    """Without an address Ray is started for the job, and ends with it; the collection is embedded and published."""
    pytest.importorskip("ray", reason="no ray: pip install 'vilem-search[ray]'")
    make_tiny_bundle(tmp_path / "bundles" / "tiny")
    names = write_pictures(tmp_path / "images", range(6))

    done = _build(tmp_path, "--engine", "ray", "--workers", "1")

    assert 0 == done.returncode, done.stderr
    assert names == [record.id for record in Collection.open(tmp_path / "collections", "photos").first(9)]
    assert "published" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("option", [("--address", "auto"), ("--workers", "2")])
def test_options_of_a_cluster_are_refused_without_one(tmp_path: Path, option: tuple[str, str]) -> None:
    """They would do nothing."""
    done = _build(tmp_path, *option)

    assert 2 == done.returncode and "--address and --workers are for --engine ray" in done.stderr
    assert not (tmp_path / "collections").exists()
