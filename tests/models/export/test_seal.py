"""From towers to a sealed bundle, seen through the runtime that serves it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from models.bundle import Bundle
from models.errors import ExportError
from models.export import seal
from models.export.graphs import CausalTextGraph, ImageGraph, text_graph
from models.export.parity import check, sample_pixels
from models.export.seal import PARITY, export_bundle
from models.export.to_onnx import save
from models.manifest import BundleManifest, Preprocess, Provenance, TextSpec
from models.pretrained.tokenizers import clip_tokenizer_json
from tests.models.export.towers import CONTEXT, small_clip, small_custom

TEXTS = ["a red circle", "", "naïve café 🎉", "two dogs " * 100]


class Plain(nn.Module):
    """All that the exporter asks of a model: two functions, a scale and a bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.colours = nn.Linear(3 * 16, 24)
        self.words = nn.Embedding(49408, 24)
        self.logit_scale = nn.Parameter(torch.tensor(2.5))
        self.logit_bias = nn.Parameter(torch.tensor(-10.0))

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """[n, 3, s, s] → [n, 24]: mean colours of a 4 x 4 grid, projected."""
        return self.colours(functional.avg_pool2d(images, 8).flatten(1))

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """[n, l] → [n, 24]: the mean of all tokens, padding too."""
        return self.words(ids).mean(dim=1)


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
        provenance=Provenance(architecture="small", pretrained="none", notes={"kept": True}),
    )


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Bundle]:
    """A torch model whose texts are not cut, and its opened bundle."""
    model = Plain()
    folder = tmp_path_factory.mktemp("export") / "bundle"
    export(model, folder, 32, causal=False)
    return model, Bundle.open(folder)


def test_vectors_are_torch_s(sealed: tuple[Any, Bundle]) -> None:
    """The runtime's vectors of pixels and ids are torch's within 1e-4."""
    model, bundle = sealed
    pixels = sample_pixels(32, seed=5)
    spec = preprocess(32)
    normal = (torch.from_numpy(pixels).float() / 255 - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    ids = torch.from_numpy(bundle.tokenizer.encode(TEXTS).ids)
    with torch.no_grad():
        images = functional.normalize(model.encode_image(normal.permute(0, 3, 1, 2)), dim=-1).numpy()
        texts = functional.normalize(model.encode_text(ids), dim=-1).numpy()

    assert np.abs(images - bundle.embed_images(pixels)).max() < 1e-4
    assert np.abs(texts - bundle.embed_texts(TEXTS).vectors).max() < 1e-4


def test_the_manifest_tells_scale_and_bias(sealed: tuple[Any, Bundle]) -> None:
    """Logit scale is exponentiated, the bias is told, and so are the differences that were measured."""
    model, bundle = sealed
    notes = bundle.manifest.provenance.notes

    assert float(model.logit_scale.detach().exp()) == pytest.approx(bundle.manifest.logit_scale)
    assert float(model.logit_bias.detach()) == pytest.approx(bundle.manifest.logit_bias)
    assert 24 == bundle.manifest.dim
    assert {"kept": True} == {key: value for key, value in notes.items() if key != PARITY}
    assert PARITY in notes


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    """Exporting onto a folder that is there leaves it as it is."""
    (tmp_path / "there").mkdir()

    with pytest.raises(FileExistsError):
        export(small_clip(), tmp_path / "there", 32, causal=True)

    assert [] == list((tmp_path / "there").iterdir())


def test_a_graph_that_differs_is_refused(sealed: tuple[Any, Bundle]) -> None:
    """A graph that is off from its torch module is an error with the difference."""
    # the very weights of the sealed one
    model = Plain()
    graph = ImageGraph(model, preprocess(32))
    pixels, path = sample_pixels(32), sealed[1].path / "image.onnx"
    assert check(path, "pixels", graph, [pixels]) <= 1e-4

    with torch.no_grad():
        model.colours.weight.mul_(torch.linspace(0.5, 2, 24).view(24, 1))

    with pytest.raises(ExportError, match="off by"):
        check(path, "pixels", graph, [pixels])


@pytest.mark.parametrize(("port", "graph"), [("pixels", "image"), ("ids", "text")])
@pytest.mark.parametrize("harm", [1.1, float("nan")])
def test_a_sabotaged_graph_is_refused(
    port: str,
    graph: str,
    harm: float,
    sealed: tuple[Any, Bundle],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When a graph that was written is not the model's, there is no bundle and nothing is left behind."""

    def sabotaged(_module: nn.Module, _example: torch.Tensor, name: str, path: Path, **_options: int | None) -> None:
        # what the exporter wrote of the very same weights
        written = onnx.load(sealed[1].path / path.name)
        if name == port:
            matrices = [each for each in written.graph.initializer if len(each.dims) == 2]
            assert matrices
            for each in matrices:
                values = numpy_helper.to_array(each).copy()
                values[:, 0] *= harm
                each.CopyFrom(numpy_helper.from_array(values, each.name))
        save(written, path)

    monkeypatch.setattr(seal, "export_graph", sabotaged)

    with pytest.raises(ExportError, match=f"the exported {graph} graph is off by .* from torch"):
        export(Plain(), tmp_path / "bundle", 32, causal=False)

    assert [] == list(tmp_path.iterdir())


def test_only_causal_towers_are_cut() -> None:
    """CLIP's own text tower is cut to its length; others get the whole context."""
    assert isinstance(text_graph(small_clip()), CausalTextGraph)
    assert not isinstance(text_graph(small_custom()), CausalTextGraph)
