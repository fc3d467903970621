"""A home with one collection of coloured pictures, and the app over it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.collections import make_colours, make_painted

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


@pytest.fixture(scope="package")
def client(home: Path) -> Iterator[TestClient]:
    """The app over `home`, ready."""
    with TestClient(create_app(Settings(home=home)), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made
