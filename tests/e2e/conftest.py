"""A server over a small collection, as a person or a program meets it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collections import make_colours
from tests.support.servers import Server, serving


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with the collection "colours"."""
    folder = tmp_path_factory.mktemp("home")
    make_colours(folder, tiny_bundle)
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """`vilem serve` over it, ready."""
    with serving(home, home / "log", poll_s=0.05) as running:
        yield running
