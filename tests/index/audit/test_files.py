"""Broken pictures."""

from pathlib import Path

import numpy as np

from index.audit.files import broken_files
from index.neighbours import silent
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured
from tests.support.images import encoded


def test_what_is_gone_or_changed_is_found(tmp_path: Path, tiny_bundle: Path) -> None:
    """A picture that is missing and one with other bytes are told with the reason; the others are well."""
    files = {f"{seed}.png": encoded(photograph(seed, (40, 30))) for seed in range(70)}
    searcher = pictured(tmp_path, Bundle.open(tiny_bundle), files)
    (tmp_path / "pictures" / "3.png").unlink()
    (tmp_path / "pictures" / "68.png").write_bytes(files["1.png"])
    told: list[tuple[int, int]] = []

    found = list(broken_files(searcher, np.arange(70), lambda _, done, total: told.append((done, total))))

    assert [("3.png", "not there"), ("68.png", "changed")] == [
        (record.id, "not there" if "is not there" in why else "changed" if "has changed" in why else why)
        for record, why in found
    ]
    assert (70, 70) == told[-1]


def test_whole_pictures_are_not_broken(tmp_path: Path, tiny_bundle: Path) -> None:
    """Nothing is found where every file is as it was."""
    searcher = pictured(tmp_path, Bundle.open(tiny_bundle), {"a.png": encoded(photograph(0))})

    assert [] == list(broken_files(searcher, np.arange(1), silent))
