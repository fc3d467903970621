"""What goes through a step."""

import dataclasses
from pathlib import Path

import torch

from tests.models.training.test_objective import make_batch, make_towers


def test_a_batch_is_normalised_where_it_is_used(tmp_path: Path) -> None:
    """Bytes with the channels last become numbers with the channels first; clips keep their frames; the rest stays."""
    towers, batch = make_towers(tmp_path), make_batch()
    for shape, expected in (((4, 8, 8, 3), (4, 3, 8, 8)), ((4, 2, 8, 8, 3), (4, 2, 3, 8, 8))):
        found = dataclasses.replace(batch, pixels=torch.full(shape, 255, dtype=torch.uint8)).prepared(towers)

        assert expected == tuple(found.pixels.shape)
        torch.testing.assert_close(torch.full(expected, 2.0), found.pixels)
        assert torch.equal(batch.ids, found.ids)
        assert found.edited is not None
