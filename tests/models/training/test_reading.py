"""Texts are read in parts of near length, and it shows nowhere."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.editing import EditedBatch
from models.training.features import ImageFeatures
from models.training.interaction import Interaction, Shape, pool_words
from models.training.reading import read

IMAGES, TOKENS = 3, 12
SHAPE = Shape(tokens=8, embedding=6, levels=(4, 5), width=8, blocks=1, heads=2, side=2, vocabulary=11)


def make_module() -> Interaction:
    """With seeded weights."""
    torch.manual_seed(0)
    return Interaction(SHAPE).eval()


def make_image() -> ImageFeatures:
    """Of three images."""
    return ImageFeatures(torch.randn(IMAGES, 6), (torch.randn(IMAGES, 4, 4, 4), torch.randn(IMAGES, 5, 2, 2)))


def make_texts(lengths: list[int], owners: list[int]) -> EditedBatch:
    """Texts of so many words, a token each behind a marker, whose last word is wrong."""
    most = max(lengths)
    there = torch.arange(most)[None] < torch.tensor(lengths)[:, None]
    word_of = torch.full((len(lengths), TOKENS), -1)
    for row, length in enumerate(lengths):
        word_of[row, 1 : 1 + length] = torch.arange(length)
    wrong = there & (torch.arange(most)[None] == torch.tensor(lengths)[:, None] - 1)
    places = wrong.nonzero()
    return EditedBatch(
        torch.zeros(len(lengths), TOKENS, dtype=torch.long),
        word_of, there, wrong, places, torch.zeros(len(places), dtype=torch.long), torch.tensor(sorted(owners)),
    )  # fmt: skip


def alone(module: Interaction, tokens: torch.Tensor, texts: EditedBatch, image: ImageFeatures) -> torch.Tensor:
    """Features [m, w, out] of all texts as one batch, padded to the longest."""
    words = pool_words(tokens, texts.word_of, texts.there.shape[1])
    whose = texts.owner
    return module(words, texts.there, ImageFeatures(image.embedding[whose], tuple(x[whose] for x in image.levels)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, TOKENS - 2), st.integers(0, IMAGES - 1)), min_size=1, max_size=40))
def test_every_word_is_answered_as_if_its_text_were_alone(texts: list[tuple[int, int]]) -> None:
    """However long the texts and whosever they are: logits of each word and of each place are those of one padded batch."""
    edited = make_texts([length for length, _ in texts], [owner for _, owner in texts])
    module, image, tokens = make_module(), make_image(), torch.randn(len(texts), TOKENS, 8)

    reading = read(module, tokens, edited, image)

    expected = alone(module, tokens, edited, image)
    torch.testing.assert_close(
        module.detection(expected)[edited.there], reading.wrong(module)[edited.there], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        module.correction(expected[*edited.places.T]), reading.right(module, edited.places), atol=1e-5, rtol=1e-4
    )


def test_a_gap_among_words_hides_none_behind_it() -> None:
    """A word without a token of its own leaves a gap; the words after it are read in a large batch as in a small one."""
    edited = make_texts([4] * 32, [0] * 32)
    edited.there[:, 1] = False
    module, image, tokens = make_module(), make_image(), torch.randn(32, TOKENS, 8)

    found = read(module, tokens, edited, image).wrong(module)

    expected = module.detection(alone(module, tokens, edited, image))
    torch.testing.assert_close(expected[edited.there], found[edited.there], atol=1e-5, rtol=1e-4)


def test_gradients_are_those_of_one_padded_batch() -> None:
    """To tokens, levels and embeddings alike: parting a batch changes what it costs, not what it teaches."""
    edited = make_texts([9, 2, 5, 1] * 10, [0, 1, 2, 2] * 10)
    module, image = make_module(), make_image()
    tokens = torch.randn(40, TOKENS, 8)

    def slopes(*, parted: bool) -> list[torch.Tensor]:
        leaves = [each.clone().requires_grad_() for each in (tokens, image.embedding, *image.levels)]
        seen = ImageFeatures(leaves[1], tuple(leaves[2:]))
        if parted:
            logits = read(module, leaves[0], edited, seen).wrong(module)
        else:
            logits = module.detection(alone(module, leaves[0], edited, seen))
        return list(torch.autograd.grad(logits[edited.there].square().sum(), leaves))

    for expected, found in zip(slopes(parted=False), slopes(parted=True), strict=True):
        assert expected.abs().sum() > 0
        torch.testing.assert_close(expected, found, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("part", ["local", "whole"])
def test_a_module_without_a_part_reads_too(part: str) -> None:
    """Without patches, and without the image as a whole."""
    torch.manual_seed(0)
    module = Interaction(dataclasses.replace(SHAPE, **{part: False})).eval()
    edited, image, tokens = make_texts([3, 1, 7] * 8, [0, 1, 2] * 8), make_image(), torch.randn(24, TOKENS, 8)

    found = read(module, tokens, edited, image).wrong(module)

    expected = module.detection(alone(module, tokens, edited, image))
    torch.testing.assert_close(expected[edited.there], found[edited.there], atol=1e-5, rtol=1e-4)
