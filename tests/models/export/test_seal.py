"""From towers to a sealed bundle, seen through the runtime that serves it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.bundle import Bundle
from models.errors import ExportError
from models.export.graphs import CausalTextGraph, ImageGraph, is_causal, text_graph
from models.export.parity import check, sample_pixels
from models.export.seal import export_bundle
from models.export.to_onnx import export_graph
from models.export.tokenizers import clip_tokenizer_json
from models.manifest import BundleManifest, Preprocess, Provenance, TextSpec
from tests.models.export.towers import CONTEXT, small_clip, small_custom, small_resnet

TEXTS = ["a red circle", "", "naïve café 🎉", "two dogs " * 100]


def preprocess(side: int) -> Preprocess:
    """CLIP's, at a small size."""
    return Preprocess(size=side, mean=(0.48, 0.46, 0.41), std=(0.27, 0.26, 0.28))


def export(model: nn.Module, output: Path, side: int, *, causal: bool) -> BundleManifest:
    """The bundle of a small model."""
    return export_bundle(
        model,
        clip_tokenizer_json().encode(),
        name="small",
        output=output,
        preprocess=preprocess(side),
        text=TextSpec(context_length=CONTEXT, causal=causal, eot_id=49407),
        provenance=Provenance(architecture="small", pretrained="none"),
    )


MODELS: list[tuple[str, Callable[[], nn.Module], int, bool]] = [
    ("vit", small_clip, 32, True),
    ("quickgelu", lambda: small_clip(quick_gelu=True), 32, True),
    ("resnet", small_resnet, 64, True),
    ("not causal", small_custom, 32, False),
]


@pytest.fixture(scope="module", params=MODELS, ids=[row[0] for row in MODELS])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Bundle, int]:
    """A torch model, its opened bundle, and the side of its input."""
    _, make, side, causal = request.param
    model = make()
    folder = tmp_path_factory.mktemp("export") / "bundle"
    assert causal == is_causal(model)
    export(model, folder, side, causal=causal)
    return model, Bundle.open(folder), side


def test_images_are_torch_s(exported: tuple[nn.Module, Bundle, int]) -> None:
    """The runtime's image vectors are torch's within 1e-4, for any batch."""
    model, bundle, side = exported
    pixels = sample_pixels(side, seed=5)
    spec = preprocess(side)
    normal = (torch.from_numpy(pixels).float() / 255 - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    with torch.no_grad():
        expected = functional.normalize(model.encode_image(normal.permute(0, 3, 1, 2)), dim=-1).numpy()

    assert np.abs(expected - bundle.embed_images(pixels)).max() < 1e-4
    assert np.abs(expected[:1] - bundle.embed_images(pixels[:1])).max() < 1e-4


def test_texts_are_torch_s(exported: tuple[nn.Module, Bundle, int]) -> None:
    """The runtime's text vectors are torch's at full length within 1e-4, alone and in a batch."""
    model, bundle, _ = exported
    tokens = bundle.tokenizer.encode(TEXTS)
    with torch.no_grad():
        expected = functional.normalize(model.encode_text(torch.from_numpy(tokens.ids)), dim=-1).numpy()

    assert np.abs(expected - bundle.embed_texts(TEXTS).vectors).max() < 1e-4
    for text, vector in zip(TEXTS, expected, strict=True):
        assert np.abs(vector - bundle.embed_texts([text]).vectors[0]).max() < 1e-4


def test_the_manifest_tells_scale_and_bias(exported: tuple[nn.Module, Bundle, int]) -> None:
    """Logit scale is exponentiated; a bias is told where there is one."""
    model, bundle, _ = exported
    bias = getattr(model, "logit_bias", None)

    assert float(model.logit_scale.detach().exp()) == pytest.approx(bundle.manifest.logit_scale)
    assert (0.0 if bias is None else float(bias.detach())) == pytest.approx(bundle.manifest.logit_bias)
    assert 24 == bundle.manifest.dim


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    """Exporting onto a folder that is there leaves it as it is."""
    (tmp_path / "there").mkdir()

    with pytest.raises(FileExistsError):
        export(small_clip(), tmp_path / "there", 32, causal=True)

    assert [] == list((tmp_path / "there").iterdir())


def test_a_graph_that_differs_is_refused(tmp_path: Path) -> None:
    """A graph that is off from its torch module is an error with the difference."""
    model = small_clip()
    graph = ImageGraph(model, preprocess(32))
    pixels = sample_pixels(32)
    export_graph(graph, torch.from_numpy(pixels[:3]), "pixels", tmp_path / "image.onnx")
    assert check(tmp_path / "image.onnx", "pixels", graph, [pixels]) <= 1e-4

    with torch.no_grad():
        model.visual.proj.mul_(torch.linspace(0.5, 2, 24))

    with pytest.raises(ExportError, match="off by"):
        check(tmp_path / "image.onnx", "pixels", graph, [pixels])


def test_only_causal_towers_are_cut() -> None:
    """CLIP's own text tower is cut to its length; others get the whole context."""
    assert isinstance(text_graph(small_clip()), CausalTextGraph)
    assert not isinstance(text_graph(small_custom()), CausalTextGraph)
