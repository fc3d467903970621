"""Images and clips through the image tower."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.training.features import image_features, level_indices, normalised
from models.training.frames import in_parts, visual_features
from models.video.pooling import mean_pool
from tests.models.training.tiny import SIZE, tiny_towers

CLIPS, FRAMES = 3, 4


@pytest.fixture(scope="module")
def towers() -> nn.Module:
    """A vision transformer of a few thousand weights."""
    return tiny_towers().eval()


@pytest.fixture
def clips() -> torch.Tensor:
    """[3, 4, 3, s, s] of noise."""
    return torch.randn(CLIPS, FRAMES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def _levels(towers: nn.Module) -> list[int]:
    return level_indices(towers, 2)


def test_one_frame_is_a_picture(towers: nn.Module, clips: torch.Tensor) -> None:
    """A clip of one frame has the embedding and the levels of that picture."""
    with torch.no_grad():
        clip = visual_features(towers, clips[:, :1], _levels(towers))
        picture = image_features(towers, clips[:, 0], _levels(towers))

    torch.testing.assert_close(picture.embedding, clip.embedding)
    for expected, found in zip(picture.levels, clip.levels, strict=True):
        torch.testing.assert_close(expected, found)


def test_pictures_pass_as_they_were(towers: nn.Module, clips: torch.Tensor) -> None:
    """Without an axis of frames it is `image_features`, bit by bit."""
    with torch.no_grad():
        found, expected = (each(towers, clips[:, 0], _levels(towers)) for each in (visual_features, image_features))

    assert torch.equal(expected.embedding, found.embedding)
    assert all(torch.equal(one, other) for one, other in zip(expected.levels, found.levels, strict=True))


def test_a_clip_is_the_mean_of_its_frames(towers: nn.Module, clips: torch.Tensor) -> None:
    """Frame by frame and averaged: unit vectors as evaluation pools them, and each level's map."""
    with torch.no_grad():
        found = visual_features(towers, clips, _levels(towers))
        each = [image_features(towers, clips[:, place], _levels(towers)) for place in range(FRAMES)]

    stacked = torch.stack([frame.embedding for frame in each], dim=1).numpy()
    np.testing.assert_allclose(mean_pool(stacked), found.embedding.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.ones(CLIPS), found.embedding.norm(dim=1).numpy(), atol=1e-5)
    for level, expected in zip(found.levels, zip(*(frame.levels for frame in each), strict=True), strict=True):
        torch.testing.assert_close(torch.stack(expected).mean(dim=0), level, atol=1e-5, rtol=1e-4)


def test_without_levels_none_come(towers: nn.Module, clips: torch.Tensor) -> None:
    """Plain contrastive training asks for the embedding alone, and gets the same one."""
    with torch.no_grad():
        plain = visual_features(towers, clips, ())
        read = visual_features(towers, clips, _levels(towers))

    assert () == plain.levels
    torch.testing.assert_close(read.embedding, plain.embedding)


def test_order_is_not_seen(towers: nn.Module, clips: torch.Tensor) -> None:
    """Frames in another order are the same clip: a direction of movement cannot be learnt with this pooling."""
    with torch.no_grad():
        forth, back = (visual_features(towers, each, _levels(towers)) for each in (clips, clips.flip(1)))

    torch.testing.assert_close(forth.embedding, back.embedding)
    torch.testing.assert_close(forth.levels[-1], back.levels[-1])


@pytest.mark.parametrize("read", ["embedding", "levels"])
def test_gradients_reach_every_frame_and_the_first_block(clips: torch.Tensor, read: str) -> None:
    """From the embedding and from the levels: none of the frames is cut off, nor any part of the tower."""
    towers = tiny_towers().train()
    pixels = clips.clone().requires_grad_()

    found = visual_features(towers, pixels, _levels(towers))
    answer = found.embedding if read == "embedding" else found.levels[-1]
    (answer * torch.randn(answer.shape, generator=torch.Generator().manual_seed(1))).sum().backward()

    assert pixels.grad is not None
    assert (pixels.grad.flatten(2).norm(dim=2) > 0).all()
    for block in (towers.visual.conv1, towers.visual.transformer.resblocks[0], towers.visual.transformer.resblocks[-1]):
        assert all(each.grad is not None and each.grad.norm() > 0 for each in block.parameters())


def test_clips_are_learnt() -> None:
    """A contrastive loss over clips falls well below chance in a few steps, through this pooling."""
    towers = tiny_towers().train()
    colours = torch.rand(6, 1, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels = colours + 0.1 * torch.randn(6, FRAMES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    wanted = functional.normalize(torch.randn(6, 16, generator=torch.Generator().manual_seed(2)), dim=1)
    wanted = wanted[:, : visual_features(towers, pixels, ()).embedding.shape[1]]
    optimizer = torch.optim.Adam(towers.visual.parameters(), lr=3e-3)

    for _ in range(25):
        scores = 10 * visual_features(towers, pixels, ()).embedding @ wanted.T
        loss = functional.cross_entropy(scores, torch.arange(6))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.3 * math.log(6)


def test_bytes_are_normalised_with_their_frames(towers: nn.Module) -> None:
    """`normalised` takes [b, f, s, s, 3] as it takes pictures: each frame as if it stood alone."""
    pixels = torch.randint(0, 256, (2, 3, SIZE, SIZE, 3), dtype=torch.uint8)

    found = normalised(towers, pixels)

    assert (2, 3, 3, SIZE, SIZE) == found.shape
    assert torch.equal(normalised(towers, pixels[:, 1]), found[:, 1])


@pytest.mark.parametrize(
    ("shape", "sizes"), [((7, 8, 8, 3), [4, 3]), ((5, 2, 8, 8, 3), [2, 2, 1]), ((2, 9, 8, 8, 3), [1, 1])]
)
def test_parts_have_at_most_so_many_pictures(shape: tuple[int, ...], sizes: list[int]) -> None:
    """Four pictures are four, or two clips of two frames; a clip is never torn, and nothing is lost."""
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8)

    parts = in_parts(pixels, 4)

    assert sizes == [len(each) for each in parts]
    assert torch.equal(pixels, torch.cat(parts))
