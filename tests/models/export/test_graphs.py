"""The towers as functions of raw inputs."""

import torch

from models.export.graphs import CausalTextGraph, ImageGraph, WholeTextGraph
from models.manifest import Preprocess
from tests.models.export.towers import small_clip, small_custom


def test_image_vectors_have_unit_norm() -> None:
    """Whatever the pixels, vectors have length 1."""
    graph = ImageGraph(small_clip(), Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)

    with torch.no_grad():
        norms = graph(pixels).norm(dim=1)

    assert torch.allclose(torch.ones(3), norms, atol=1e-5)


def test_a_causal_tower_does_not_see_what_follows() -> None:
    """Cut after the end-of-text token, a text has the vector that it has at full length."""
    graph = CausalTextGraph(small_clip())
    ids = torch.zeros(1, 77, dtype=torch.int64)
    ids[0, :4] = torch.tensor([49406, 320, 736, 49407])

    with torch.no_grad():
        assert torch.allclose(graph(ids), graph(ids[:, :4]), atol=1e-6)


def test_a_text_without_projection_is_what_the_tower_says() -> None:
    """A tower that projects nothing gives the features of its end-of-text token."""
    model = small_custom(no_causal_mask=False, pool_type="argmax", proj_type="none")
    ids = torch.zeros(2, 77, dtype=torch.int64)
    ids[:, :3] = torch.tensor([49406, 320, 49407])

    with torch.no_grad():
        assert torch.allclose(WholeTextGraph(model)(ids), CausalTextGraph(model)(ids[:, :3]), atol=1e-6)


def test_the_reference_pads_what_was_cut() -> None:
    """Ids that were cut are padded with the padding id to the whole context before open_clip sees them."""
    model = small_custom()
    ids = torch.tensor([[49406, 320, 49407]])
    whole = torch.nn.functional.pad(ids, (0, 74), value=5)

    with torch.no_grad():
        assert torch.equal(WholeTextGraph(model)(whole), WholeTextGraph(model, 77, pad_id=5)(ids))
