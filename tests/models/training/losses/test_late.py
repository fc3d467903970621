"""Late interaction against its formula, in chunks, and with padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.losses.late import late_interaction, late_similarities
from tests.models.training.losses.units import gradients, units

SCALE = torch.tensor(7.0, dtype=torch.float64)


def _batch(seed: int, pairs: int, tokens: int = 5, patches: int = 4) -> tuple[torch.Tensor, ...]:
    """Tokens and patches that want gradients, and which of them are real: the first of each always."""
    rng = torch.Generator().manual_seed(seed)
    there, seen = (torch.rand(pairs, count, generator=rng) < 0.6 for count in (tokens, patches))
    there[:, 0] = seen[:, 0] = True
    given_tokens = units(seed, pairs, tokens, 3).requires_grad_()
    return given_tokens, units(seed + 1, pairs, patches, 3).requires_grad_(), there, seen


def _naive(tokens: torch.Tensor, patches: torch.Tensor, there: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """The loss in loops: section 3.1 of the paper, word for word."""
    count = len(tokens)
    to_texts, to_images = (torch.zeros(count, count, dtype=torch.float64) for _ in range(2))
    for image in range(count):
        for text in range(count):
            table = patches[image][seen[image]] @ tokens[text][there[text]].T
            to_texts[image, text] = table.max(dim=1).values.mean()
            to_images[text, image] = table.max(dim=0).values.mean()
    rows = [(SCALE * each).log_softmax(dim=1).diagonal() for each in (to_texts, to_images)]
    return -(rows[0] + rows[1]).mean() / 2


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=25)
def test_loss_and_gradients_equal_the_formula(seed: int, pairs: int) -> None:
    """Over any batch with padding, loss and gradients are those of loops over all pairs of texts and images."""
    tokens, patches, there, seen = _batch(seed, pairs)

    found = late_interaction(tokens, patches, there, SCALE, seen=seen)
    expected = _naive(tokens, patches, there, seen)

    torch.testing.assert_close(expected, found, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        gradients(expected, tokens, patches), gradients(found, tokens, patches), rtol=1e-9, atol=1e-9
    )


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 7))
def test_chunks_change_nothing(seed: int, pairs: int, chunk: int) -> None:
    """However many texts are compared at once, the similarities are the same."""
    tokens, patches, there, seen = _batch(seed, pairs)

    whole = late_similarities(tokens, patches, there, seen=seen, chunk=pairs)
    parts = late_similarities(tokens, patches, there, seen=seen, chunk=chunk)

    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_all_patches_are_seen_unless_said_otherwise() -> None:
    """Without a mask of patches the similarities are those of a mask that hides none."""
    tokens, patches, there, seen = _batch(2, 4)

    for one, other in zip(
        late_similarities(tokens, patches, there, seen=torch.ones_like(seen)),
        late_similarities(tokens, patches, there),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_all_cosines_are_never_kept() -> None:
    """For the backward pass no table of all tokens by all patches is kept, nor one of a chunk's."""
    tokens, patches = units(0, 6, 10, 3).requires_grad_(), units(1, 6, 20, 3).requires_grad_()
    kept: list[int] = []

    def keep(values: torch.Tensor) -> torch.Tensor:
        kept.append(values.untyped_storage().nbytes() // values.element_size())
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        late_interaction(tokens, patches, torch.ones(6, 10, dtype=torch.bool), SCALE, chunk=2)

    # a chunk's cosines: 2 texts by 6 images by 10 tokens by 20 patches
    assert kept
    assert max(kept) < 2 * 6 * 10 * 20


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=25)
def test_padding_says_nothing(seed: int, pairs: int) -> None:
    """What stands in padded places, and how many there are, does not matter, and gets no gradient."""
    tokens, patches, there, seen = _batch(seed, pairs)
    other = torch.where(there[..., None], tokens, units(seed + 9, *tokens.shape))
    wider = torch.cat([other, units(seed + 5, pairs, 2, 3)], dim=1)
    longer = torch.cat([there, torch.zeros(pairs, 2, dtype=torch.bool)], dim=1)

    found = late_interaction(tokens, patches, there, SCALE, seen=seen)

    torch.testing.assert_close(found, late_interaction(wider, patches, longer, SCALE, seen=seen))
    of_tokens, of_patches = gradients(found, tokens, patches)
    assert not of_tokens[~there].any()
    assert not of_patches[~seen].any()


@given(st.integers(0, 1000), st.integers(2, 6))
def test_order_does_not_matter(seed: int, pairs: int) -> None:
    """Pairs in another order have the same loss; tokens and patches in another order the same similarities."""
    tokens, patches, there, seen = _batch(seed, pairs)
    rng = torch.Generator().manual_seed(seed)
    order, places, spots = (torch.randperm(count, generator=rng) for count in (pairs, 5, 4))

    found = late_interaction(tokens, patches, there, SCALE, seen=seen)
    moved = late_interaction(
        tokens[order][:, places],
        patches[order][:, spots],
        there[order][:, places],
        SCALE,
        seen=seen[order][:, spots],
    )

    torch.testing.assert_close(found, moved)


def test_one_token_and_one_patch_are_the_plain_loss() -> None:
    """With a single token and a single patch the cosine is the only one, and the loss that of CLIP."""
    texts, images = units(0, 5, 3), units(1, 5, 3)
    logits = SCALE * images @ texts.T
    expected = -(logits.log_softmax(0).diagonal() + logits.log_softmax(1).diagonal()).mean() / 2

    found = late_interaction(texts[:, None], images[:, None], torch.ones(5, 1, dtype=torch.bool), SCALE)

    torch.testing.assert_close(expected, found)


def test_a_text_without_tokens_spoils_nothing() -> None:
    """Even a text that is all padding leaves loss and gradients finite."""
    tokens, patches, there, _ = _batch(4, 3)
    there[1] = False

    found = late_interaction(tokens, patches, there, SCALE)

    assert found.isfinite()
    assert all(each.isfinite().all() for each in gradients(found, tokens, patches))


@pytest.mark.parametrize("pairs", [1, 4])
def test_weights_are_those_of_the_pairs(pairs: int) -> None:
    """Equal weights are none; a pair of weight 0 asks for nothing."""
    tokens, patches, there, seen = _batch(8, pairs)
    plain = late_interaction(tokens, patches, there, SCALE, seen=seen)
    alone = torch.zeros(pairs, dtype=torch.float64)
    alone[0] = 3.0
    to_texts, to_images = late_similarities(tokens, patches, there, seen=seen)

    torch.testing.assert_close(
        plain, late_interaction(tokens, patches, there, SCALE, seen=seen, weights=torch.full((pairs,), 0.3))
    )
    torch.testing.assert_close(
        -((SCALE * to_texts[0]).log_softmax(0)[0] + (SCALE * to_images[0]).log_softmax(0)[0]) / 2,
        late_interaction(tokens, patches, there, SCALE, seen=seen, weights=alone),
    )
