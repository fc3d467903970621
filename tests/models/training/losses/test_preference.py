"""An image prefers its caption to the same caption with an error."""

import torch
from torch.nn import functional

from models.training.losses import contrastive, preference


def vectors(count: int, seed: int) -> torch.Tensor:
    """Unit vectors [count, 8] in double precision."""
    drawn = torch.randn(count, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(drawn, dim=-1)


def test_it_is_the_choice_between_two() -> None:
    """For one pair it is the image's half of the contrastive loss with the edited caption as its only rival."""
    image, text, wrong = (vectors(1, seed) for seed in range(3))
    scale = torch.tensor(7.0, dtype=torch.float64)

    expected = 2 * contrastive(image, text, scale, wrong)  # the text's half, with one image, is 0

    assert torch.allclose(expected, preference(image, text, wrong, scale))


def test_parts_add_up_to_the_whole() -> None:
    """With the joint count the losses of chunks sum to that of the batch, and so do their gradients."""
    images, texts, wrong = (vectors(6, seed).requires_grad_() for seed in range(3))
    scale = torch.tensor(3.0, dtype=torch.float64)
    preference(images, texts, wrong, scale).backward()
    whole = images.grad
    images.grad = None

    sum(preference(images[part], texts[part], wrong[part], scale, 6) for part in (slice(0, 2), slice(2, 6))).backward()

    assert torch.allclose(whole, images.grad)


def test_it_falls_as_the_caption_gains() -> None:
    """Telling them apart better costs less; not at all, log 2."""
    image, text = vectors(1, 0), vectors(1, 1)
    scale = torch.tensor(5.0)

    assert torch.allclose(preference(image, text, text, scale), torch.tensor(2.0, dtype=torch.float64).log())
    assert preference(image, image, text, scale) < preference(image, text, text, scale)


def test_no_pair_is_no_loss() -> None:
    """A batch without an edited caption is a batch: 0, with a gradient of 0."""
    empty = torch.zeros(0, 4, requires_grad=True)

    loss = preference(empty, empty, empty, torch.tensor(1.0))
    loss.backward()

    assert loss.item() == 0
