"""What tests of a change of models share."""

from pathlib import Path

import pytest

from tests.index.reindex.support import make_models


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two bundles; tests leave them as they are."""
    return make_models(tmp_path_factory.mktemp("models"))
