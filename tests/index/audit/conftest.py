"""What the tests of an audit share."""

import pytest

from index.searcher import Searcher
from tests.index.audit.made import faulty


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """A collection with known faults, not to be changed."""
    return faulty(tmp_path_factory.mktemp("faulty"))
