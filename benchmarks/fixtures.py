"""What benchmarks measure with: a bundle of real size, a collection of real size. Made once, kept in a cache folder."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from models.manifest import MANIFEST_NAME, read_manifest
from tests.support.collections import link_bundle, make_random

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vilem-benchmarks"
COLLECTION = "random"


def full_size_bundle() -> Path:
    """A ViT-B/32 bundle with random weights: the speed of the real one, without a download."""
    folder = CACHE / "vit-b-32"
    if not (folder / MANIFEST_NAME).exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = ["model", "export", "ViT-B-32", "--pretrained", "none", "-o", str(folder)]
        subprocess.run([sys.executable, "-m", "vilem", *command], check=True)
    return folder


def full_size_home(rows: int) -> Path:
    """A home with that bundle and a published collection of *rows* random vectors."""
    return random_home("home", full_size_bundle(), COLLECTION, rows)


def random_home(kind: str, bundle: Path, collection: str, rows: int) -> Path:
    """A home with *bundle* and a published collection of *rows* random vectors; those of one *kind* are for one use."""
    manifest = read_manifest(bundle)
    # another bundle or size is another home: a collection does not fit another bundle
    home = CACHE / f"{kind}-{rows}-{hashlib.sha256(manifest.digest().encode()).hexdigest()[:8]}"
    if not (home / "collections" / collection / "current").exists():
        shutil.rmtree(home, ignore_errors=True)
        make_random(home, manifest, collection, rows)
    link_bundle(home, bundle)
    return home
