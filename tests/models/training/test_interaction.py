"""The interaction module: what it may see, what it must not, and that nothing depends on the company."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.training.features import ImageFeatures
from models.training.interaction import Interaction, Shape, places, pool_words

SHAPE = Shape(tokens=12, embedding=8, levels=(6, 10), width=16, heads=2, side=3, vocabulary=20)


def make_module(**changes: object) -> Interaction:
    """A small module with seeded weights."""
    torch.manual_seed(0)
    return Interaction(Shape(**{**SHAPE.__dict__, **changes})).eval()  # pyright: ignore[reportArgumentType]


def make_image(count: int, seed: int = 0) -> ImageFeatures:
    """Random features of *count* images: an embedding and two levels."""
    generator = torch.Generator().manual_seed(seed)
    levels = tuple(torch.randn(count, c, s, s, generator=generator) for c, s in zip(SHAPE.levels, (6, 2), strict=True))
    return ImageFeatures(torch.randn(count, SHAPE.embedding, generator=generator), levels)


def make_words(count: int, words: int, seed: int = 1) -> torch.Tensor:
    """Random word features."""
    return torch.randn(count, words, SHAPE.tokens, generator=torch.Generator().manual_seed(seed))


def test_each_word_gets_an_answer() -> None:
    """Detection has a logit for each word, correction one for each word of the vocabulary."""
    module = make_module()

    features = module(make_words(3, 5), torch.ones(3, 5, dtype=torch.bool), make_image(3))

    assert (3, 5) == module.detection(features).shape
    assert (3, 5, 20) == module.correction(features).shape
    assert (7, 20) == module.correction(features[0, :1].expand(7, -1)).shape


def test_padding_words_are_not_seen() -> None:
    """What stands where no word is changes nothing of the words that are there."""
    module, image = make_module(), make_image(2)
    there = torch.tensor([[True] * 5, [True, True, False, False, False]])
    words = make_words(2, 5)
    other = torch.where(there[..., None], words, make_words(2, 5, seed=9))

    with torch.no_grad():
        first, second = module(words, there, image), module(other, there, image)

    torch.testing.assert_close(first[there], second[there])


def test_pairs_do_not_meet_each_other() -> None:
    """A pair's answer is the same alone and in a batch."""
    module, image, words = make_module(), make_image(3), make_words(3, 4)
    there = torch.ones(3, 4, dtype=torch.bool)
    alone = ImageFeatures(image.embedding[1:2], tuple(level[1:2] for level in image.levels))

    with torch.no_grad():
        together, single = module(words, there, image)[1:2], module(words[1:2], there[1:2], alone)

    torch.testing.assert_close(together, single, rtol=1e-4, atol=1e-5)


def test_later_words_are_seen() -> None:
    """A causal text tower hides what follows a word; the module shows it."""
    module, image, there = make_module(), make_image(1), torch.ones(1, 4, dtype=torch.bool)
    words = make_words(1, 4)
    other = words.clone()
    other[0, 3] += 1

    with torch.no_grad():
        assert not torch.allclose(module(words, there, image)[0, 0], module(other, there, image)[0, 0])


@pytest.mark.parametrize(
    ("changes", "sees_levels", "sees_whole"),
    [({}, True, True), ({"local": False}, False, True), ({"whole": False}, True, False)],
)
def test_branches_see_what_they_should(changes: dict[str, object], sees_levels: bool, sees_whole: bool) -> None:
    """The local branch reads every level, the global one the embedding; each can be left out."""
    module, words, there = make_module(**changes), make_words(2, 3), torch.ones(2, 3, dtype=torch.bool)
    image, other = make_image(2), make_image(2, seed=5)

    def differs(changed: ImageFeatures) -> bool:
        with torch.no_grad():
            return not torch.allclose(module(words, there, image), module(words, there, changed), atol=1e-6)

    assert sees_whole == differs(ImageFeatures(other.embedding, image.levels))
    assert sees_levels == differs(ImageFeatures(image.embedding, (other.levels[0], image.levels[1])))
    assert sees_levels == differs(ImageFeatures(image.embedding, (image.levels[0], other.levels[1])))


def test_patches_know_their_places() -> None:
    """The same patches in other places are another picture: left is not right."""
    module, words, there = make_module(whole=False), make_words(1, 3), torch.ones(1, 3, dtype=torch.bool)
    image = make_image(1)
    mirrored = ImageFeatures(image.embedding, tuple(level.flip(3) for level in image.levels))

    with torch.no_grad():
        assert not torch.allclose(module(words, there, image), module(words, there, mirrored), atol=1e-6)


def test_a_deepened_module_answers_as_before_and_all_of_it_learns() -> None:
    """New blocks change no answer, the old weights are kept, and after a step every new layer but its norms has a gradient."""
    module, words, there, image = (
        make_module(blocks=1),
        make_words(2, 3),
        torch.ones(2, 3, dtype=torch.bool),
        make_image(2),
    )
    deeper = module.deepened(3)

    with torch.no_grad():
        assert torch.equal(module(words, there, image), deeper(words, there, image))
    assert 3 == deeper.shape.blocks == len(deeper.blocks)
    optimizer = torch.optim.SGD(deeper.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        deeper.detection(deeper(words, there, image)).square().sum().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in deeper.blocks[2].parameters())
    mine, its = (next(each.blocks[0].parameters()) for each in (module, deeper))
    assert not torch.equal(mine, its)
    with pytest.raises(ValueError, match="3 blocks cannot be deepened to 2"):
        deeper.deepened(2)


def test_places_differ() -> None:
    """No two patches of a grid have the same place, and every value is within [-1, 1]."""
    found = places(7, 7, 32)

    assert (49, 32) == found.shape
    assert found.abs().max() <= 1
    assert torch.cdist(found, found).fill_diagonal_(1).min() > 0.1


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=9), st.integers(0, 99))
def test_words_are_the_means_of_their_tokens(word_of: list[int], seed: int) -> None:
    """A word's features are the mean over its tokens, however many; a word without tokens is zero."""
    tokens = torch.randn(1, len(word_of), 3, generator=torch.Generator().manual_seed(seed))

    found = pool_words(tokens, torch.tensor([word_of]), 4)

    for word in range(4):
        own = tokens[0, [place for place, each in enumerate(word_of) if each == word]]
        torch.testing.assert_close(own.mean(0) if len(own) else torch.zeros(3), found[0, word])
