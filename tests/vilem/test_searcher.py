"""What a command searches."""

from pathlib import Path

import pytest

from tests.support.collections import make_colours
from vilem.cli.searcher import held_searcher, searcher_of


def tags(home: Path) -> list[str]:
    """What is held of the items by somebody who reads."""
    found = searcher_of(home, "colours").view.collection.items.tags.list()
    return [tag for tag in found if tag.startswith("reading")]


def test_what_is_read_for_long_is_held_until_it_ends(tmp_path: Path, tiny_bundle: Path) -> None:
    """A command that only asks holds nothing; one that reads for long does, until its end or its failure."""
    make_colours(tmp_path, tiny_bundle)

    with held_searcher(tmp_path, "colours") as searcher:
        assert (24, 1) == (searcher.count, len(tags(tmp_path)))
    assert [] == tags(tmp_path)

    with pytest.raises(KeyboardInterrupt), held_searcher(tmp_path, "colours"):
        raise KeyboardInterrupt
    assert [] == tags(tmp_path)
