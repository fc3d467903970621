"""An audit as it is written."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from index.audit.figures import Audit
from index.audit.run import audit
from index.searcher import Searcher


def test_the_json_is_read_back(made: Searcher, tmp_path: Path) -> None:
    """What is written is what was found, and takes the place of an older one whole."""
    found = audit(made, limit=5)

    found.write(tmp_path / "audit.json")
    found.write(tmp_path / "audit.json")

    assert found == Audit.model_validate_json((tmp_path / "audit.json").read_bytes())
    assert ["audit.json"] == [path.name for path in tmp_path.iterdir()]


def test_every_figure_has_its_name(made: Searcher) -> None:
    """An audit with a field that nobody knows is none: programs may trust the names."""
    fields = audit(made, limit=1).model_dump()

    with pytest.raises(ValidationError, match="surplus"):
        Audit.model_validate({**fields, "surplus": 1})
