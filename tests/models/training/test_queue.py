"""The momentum queue against a list."""

from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.training.losses import contrastive
from models.training.queue import Queue
from tests.models.training.losses.units import units


def _batch(first: int, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs *first* to *first + count*, whose vectors hold their number."""
    rows = torch.arange(first, first + count)
    return rows[:, None] * torch.ones(1, 2), -rows[:, None] * torch.ones(1, 2), rows


@given(st.integers(1, 9), st.lists(st.integers(0, 12), max_size=12))
def test_it_keeps_the_last_in_order(size: int, counts: list[int]) -> None:
    """After any batches, larger than the queue or empty, it holds the last pairs pushed, oldest first, side by side."""
    queue = Queue(size, 2)
    for count, end in zip(counts, accumulate(counts), strict=True):
        queue.push(*_batch(end - count, count))
    expected = list(range(sum(counts)))[-size:]

    found = queue.keys(torch.tensor([-1]))

    assert len(expected) == len(queue)
    assert expected == found.images[:, 0].tolist()
    assert expected == (-found.texts[:, 1]).tolist()
    assert found.other.all()


@given(st.lists(st.integers(0, 5), min_size=2, max_size=8), st.integers(0, 7))
def test_a_resumed_queue_goes_on_as_if_not_stopped(counts: list[int], stop: int) -> None:
    """Whenever its state is taken, a fresh queue with that state ends with the same pairs, and the old one keeps its own."""
    whole, fresh = Queue(4, 2), Queue(4, 2)
    ends = list(accumulate(counts))
    for place, (count, end) in enumerate(zip(counts, ends, strict=True)):
        if place == min(stop, len(counts) - 1):
            fresh.load_state(whole.state())
        whole.push(*_batch(end - count, count))
        if place >= min(stop, len(counts) - 1):
            fresh.push(*_batch(end - count, count))

    assert len(whole) == len(fresh)
    assert torch.equal(whole.keys(torch.zeros(1)).images, fresh.keys(torch.zeros(1)).images)


def test_a_state_is_no_view() -> None:
    """What was taken as state does not change with later pushes."""
    queue = Queue(2, 2)
    queue.push(*_batch(1, 2))
    taken = queue.state()
    queue.push(*_batch(5, 2))

    assert [1, 2] == taken["images"][:, 0].tolist()  # pyright: ignore[reportIndexIssue]


def test_a_state_of_another_size_is_refused() -> None:
    """Neither fewer pairs nor another dimension fit; the message says both sizes, and the queue stays as it was."""
    queue = Queue(3, 2)
    queue.push(*_batch(0, 1))

    with pytest.raises(ValueError, match=r"images are \(4, 2\), this one's \(3, 2\)"):
        queue.load_state(Queue(4, 2).state())

    assert 1 == len(queue)


def test_pictures_of_the_batch_are_marked() -> None:
    """A key of a picture that is in the batch is no negative of that picture's pair, and one of all others."""
    queue = Queue(4, 2)
    queue.push(*_batch(10, 3))

    found = queue.keys(torch.tensor([11, 99]))

    assert [[True, False, True], [True, True, True]] == found.other.tolist()


def test_values_are_kept_without_their_graph() -> None:
    """Pushing cuts gradients, and pushing again before the backward pass does not disturb it."""
    queue = Queue(3, 4)
    pushed = units(0, 3, 4).requires_grad_()
    queue.push(pushed, pushed, torch.arange(3))
    images = units(1, 2, 4).float().requires_grad_()

    loss = contrastive(images, units(2, 2, 4).float(), torch.tensor(5.0), keys=queue.keys(torch.tensor([7, 8])))
    queue.push(images, images, torch.tensor([7, 8]))
    loss.backward()

    assert images.grad is not None and images.grad.any()
    assert pushed.grad is None


def test_an_empty_queue_changes_nothing() -> None:
    """Before the first push the loss with its keys is the loss without, bit for bit."""
    images, texts = units(0, 3, 4).float(), units(1, 3, 4).float()
    scale = torch.tensor(5.0)

    found = contrastive(images, texts, scale, keys=Queue(8, 4).keys(torch.arange(3)))

    assert torch.equal(contrastive(images, texts, scale), found)
