"""A home with one collection of coloured pictures, and the app over it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from index.collection import Collection
from models.manifest import read_manifest
from models.matching import Matching, write_matching
from service.app import create_app
from service.settings import Settings
from tests.support.collections import make_colours, make_painted
from tests.support.tiny_bundle import make_tiny_bundle

PATIENCE_S = 30.0
# one of the names that a service bound to loopback answers to
ADDRESS = "http://127.0.0.1"


def wait_until_ready(client: TestClient) -> None:
    """Wait for /readyz to answer 200."""
    until = time.monotonic() + PATIENCE_S
    while (answer := client.get("/readyz")).status_code != 200:
        assert time.monotonic() < until, answer.text
        time.sleep(0.01)


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with the published collection "colours": 24 pictures, 48 captions. Tests leave it as it is."""
    folder = tmp_path_factory.mktemp("home")
    make_colours(folder, tiny_bundle)
    return folder


@pytest.fixture(scope="package")
def painted(tmp_path_factory: pytest.TempPathFactory, proof_bundle: Path, tiny_bundle: Path) -> Path:
    """A home with "painted", 12 pictures with patches; "bare", the same without; "told", with 24 captions in place of them.

    "colours" is of a model that cannot proofread.
    """
    folder = tmp_path_factory.mktemp("painted")
    make_painted(folder, proof_bundle)
    make_painted(folder, proof_bundle, "bare", patches=False)
    make_painted(folder, proof_bundle, "told", captions=True)
    make_colours(folder, tiny_bundle)
    return folder


@pytest.fixture(scope="package")
def reader(painted: Path) -> Iterator[TestClient]:
    """The app over `painted`, ready."""
    with TestClient(create_app(Settings(home=painted)), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made


def matching(digest: str = "0" * 64, slope: float = 12.0, intercept: float = -6.0) -> Matching:
    """A calibration."""
    return Matching(
        bundle_digest=digest, slope=slope, intercept=intercept, source="a test", matched=60, unmatched=900, error=0.02
    )


@pytest.fixture(scope="package")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The app over "sure", whose own calibration counts, "bundled", which has its bundle's, and "other", which has another's."""
    folder = tmp_path_factory.mktemp("calibrated")
    bundle = make_tiny_bundle(folder / "made" / "tiny")
    digest = read_manifest(bundle).digest()
    write_matching(bundle, matching(digest, slope=5.0))
    for name, written in (("sure", matching(digest)), ("bundled", None), ("other", matching("1" * 64))):
        make_colours(folder, bundle, name)
        if written is not None:
            write_matching(Collection.open(folder / "collections", name).path, written)
    with TestClient(create_app(Settings(home=folder)), base_url=ADDRESS) as made:
        wait_until_ready(made)
        yield made


@pytest.fixture(scope="package")
def client(home: Path) -> Iterator[TestClient]:
    """The app over `home`, ready."""
    with TestClient(create_app(Settings(home=home)), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made
