"""The proofreader cut into three functions, in torch: together they are the module."""

import pytest
import torch

from models.export.proof_graphs import ProofImageGraph, ProofTextGraph, ReadingGraph, WholeTokens
from models.manifest import Preprocess
from models.open_clip_import import import_open_clip
from models.training.features import image_features, text_features
from models.training.objective import Objective, with_proofreading
from models.training.recipe import ProofreadingPart
from tests.models.export.towers import CONTEXT, TEXT, VISION, small_clip, small_custom

PREPROCESS = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
PIXELS = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([[49406, 320, 736, 49407, 0, 0], [49406, 320, 49407, 0, 0, 0]])


def make_objective(**options: object) -> Objective:
    """A module that reads both blocks of an image tower, each 2 x 2 patches."""
    import_open_clip()
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    part = ProofreadingPart.model_validate({"width": 12, "heads": 2, "levels": 2, "side": 1, **options})
    torch.manual_seed(0)
    towers = CLIP(24, CLIPVisionCfg(**{**VISION, "layers": 2}), CLIPTextCfg(**TEXT))
    return with_proofreading(towers, part, 32, 9).eval()


def image_graph(objective: Objective) -> ProofImageGraph:
    """Its image side."""
    assert objective.module is not None
    return ProofImageGraph(objective.towers, PREPROCESS, objective.module, objective.levels).eval()


@pytest.mark.parametrize("local", [True, False])
def test_the_pieces_make_the_module(local: bool) -> None:
    """Patches in a row, cut again by their counts, and words give what the module says of features and words."""
    objective = make_objective(local=local)
    module, image = objective.module, image_graph(objective)
    assert module is not None
    words, there = torch.randn(3, 5, 32), torch.ones(3, 5, dtype=torch.bool)
    there[1, 3:] = False
    places = torch.tensor([[2, 4], [0, 0], [2, 1]])
    normal = (PIXELS.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        expected = module(words, there, image_features(objective.towers, normal, objective.levels))
        embedding, patches = image(PIXELS)
        wrong, answers = ReadingGraph(module, image.counts())(words, there, patches, embedding, places)

    assert (sum(image.counts()), 12) == patches.shape[1:]
    torch.testing.assert_close(module.detection(expected)[there], wrong[there])
    torch.testing.assert_close(module.correction(expected[[2, 0, 2], [4, 0, 1]]), answers)


def test_counts_are_of_each_level() -> None:
    """A level of 2 x 2 keeps one patch at side 1 and four at side 2; without patches none is kept."""
    assert [1, 1] == image_graph(make_objective()).counts()
    assert [4, 4] == image_graph(make_objective(side=2)).counts()
    assert [] == image_graph(make_objective(local=False)).counts()


def test_the_embedding_is_the_towers() -> None:
    """Beside the patches stands the embedding that the image graph gives: unit vectors of the same images."""
    image = image_graph(make_objective())
    with torch.no_grad():
        torch.testing.assert_close(image.tower(PIXELS), image(PIXELS)[0])


def test_a_cut_text_has_the_features_of_the_whole() -> None:
    """Of a causal tower the tokens before the cut do not change; the reference pads and sees the whole context."""
    model = small_clip()
    with torch.no_grad():
        found, expected = ProofTextGraph(model)(IDS), WholeTokens(model, CONTEXT, 0)(IDS)

    assert (2, 6, 32) == found.shape
    torch.testing.assert_close(expected, found)


def test_a_tower_that_looks_both_ways_gets_its_padding() -> None:
    """Of other towers the features are open_clip's own, of all that they are given."""
    model = small_custom()
    whole = torch.nn.functional.pad(IDS, (0, CONTEXT - IDS.shape[1]), value=7)
    with torch.no_grad():
        torch.testing.assert_close(text_features(model, whole).tokens, ProofTextGraph(model)(whole))
        torch.testing.assert_close(text_features(model, whole).tokens[:, :6], WholeTokens(model, CONTEXT, 7)(IDS))
