"""Texts of near length together."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.training.lengths import by_length, restored, together

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=80)


@given(LENGTHS)
def test_every_row_is_in_one_part(lengths: list[int]) -> None:
    """Parts hold every row once, and say the greatest length of their own."""
    groups = by_length(torch.tensor(lengths))

    assert sorted(int(row) for rows, _ in groups for row in rows) == list(range(len(lengths)))
    assert all(longest == max(lengths[int(row)] for row in rows) for rows, longest in groups)


@given(LENGTHS)
def test_padding_never_grows(lengths: list[int]) -> None:
    """What all parts are padded to is no more than what the batch would be."""
    groups = by_length(torch.tensor(lengths))

    assert sum(len(rows) * longest for rows, longest in groups) <= len(lengths) * max(lengths)


@given(LENGTHS)
def test_parts_come_back_in_order(lengths: list[int]) -> None:
    """Taken apart and put together, a batch is what it was."""
    texts = torch.zeros(len(lengths), max(lengths), 2)
    for row, length in enumerate(lengths):
        texts[row, :length] = row + 1.0
    groups = by_length(torch.tensor(lengths))
    rows = [each for each, _ in groups]

    assert torch.equal(texts, together(rows, [texts[each, :longest] for each, longest in groups], max(lengths)))
    assert torch.equal(texts[:, 0], restored(rows, [texts[each, 0] for each in rows]))


def test_few_rows_stay_together() -> None:
    """A part of two or three rows would cost more in calls than its padding."""
    assert len(by_length(torch.arange(1, 10))) == 1
    assert len(by_length(torch.arange(1, 100))) > 1
