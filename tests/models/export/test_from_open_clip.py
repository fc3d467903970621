"""Any open_clip model, by name and weights."""

# pyright: reportPrivateUsage=false

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from models.bundle import Bundle
from models.errors import ExportError
from models.export import seal
from models.export.from_open_clip import export_open_clip
from models.export.parity import TOLERANCE
from models.image import prepare
from models.open_clip_import import import_open_clip
from tests.models.export.conftest import OWN, Exported
from tests.models.export.folders import WEIGHTS

TEXTS = ["a red circle", "", "It's a naïve café, ÜBER 東京 🎉 &amp; more_or less!", "two dogs " * 100]


def pictures() -> list[Image.Image]:
    """Upright, across and square, neither smooth nor all noise."""
    generator = np.random.default_rng(0)
    sizes = [(90, 40), (50, 120), (200, 200)]
    return [
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        for size in sizes
    ]


def unit(vectors: torch.Tensor) -> np.ndarray:
    """(N, d) of unit length."""
    return functional.normalize(vectors.float(), dim=-1).numpy()


def test_images_are_open_clip_s(exported: Exported) -> None:
    """A picture's vector is that of open_clip's own transform and tower, within 1e-4, for every kind of model."""
    transforms = import_open_clip().transform
    config = transforms.PreprocessCfg(**exported.model.visual.preprocess_cfg)
    transform = transforms.image_transform_v2(config, is_train=False)
    with torch.no_grad():
        expected = unit(exported.model.encode_image(torch.stack([transform(each) for each in pictures()])))

    pixels = np.stack([prepare(each, exported.bundle.manifest.preprocess) for each in pictures()])

    assert np.abs(expected - exported.bundle.embed_images(pixels)).max() <= TOLERANCE
    assert np.abs(expected[:1] - exported.bundle.embed_images(pixels[:1])).max() <= TOLERANCE


def test_texts_are_open_clip_s(exported: Exported) -> None:
    """A text's vector is that of open_clip's own tokenizer and tower, within 1e-4, alone and beside longer ones."""
    tokenizer = import_open_clip().get_tokenizer(f"local-dir:{exported.folder}")
    with torch.no_grad():
        expected = unit(exported.model.encode_text(tokenizer(TEXTS)))

    assert np.abs(expected - exported.bundle.embed_texts(TEXTS).vectors).max() <= TOLERANCE
    for text, vector in zip(TEXTS, expected, strict=True):
        assert np.abs(vector - exported.bundle.embed_texts([text]).vectors[0]).max() <= TOLERANCE


def test_different_inputs_have_different_vectors(exported: Exported) -> None:
    """The comparison means something: no tower answers the same to everything."""
    pixels = np.stack([prepare(each, exported.bundle.manifest.preprocess) for each in pictures()])

    for vectors in (exported.bundle.embed_images(pixels), exported.bundle.embed_texts(TEXTS).vectors):
        apart = np.abs(vectors[:, None] - vectors[None]).max(axis=2)
        assert apart[~np.eye(len(vectors), dtype=bool)].min() > 10 * TOLERANCE


def test_ids_are_open_clip_s(exported: Exported) -> None:
    """The bundle's tokenizer gives the ids of open_clip's, cut texts included."""
    tokenizer = import_open_clip().get_tokenizer(f"local-dir:{exported.folder}")

    assert tokenizer(TEXTS).tolist() == exported.bundle.tokenizer.encode(TEXTS).ids.tolist()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_variant_is_as_close_as_the_manifest_says(exported: Exported, precision: str) -> None:
    """Each precision opens, and the cosine to fp32 that the manifest tells is high and true of other inputs."""
    told = exported.bundle.manifest.variants[precision]
    smaller = Bundle.open(exported.bundle.path, variant=precision)
    pixels = np.stack([prepare(each, exported.bundle.manifest.preprocess) for each in pictures()])

    images = (smaller.embed_images(pixels) * exported.bundle.embed_images(pixels)).sum(axis=1)
    texts = (smaller.embed_texts(TEXTS).vectors * exported.bundle.embed_texts(TEXTS).vectors).sum(axis=1)

    least = 0.999 if precision == "fp16" else 0.97
    assert least < told.image_cosine <= 1.00001
    assert least < told.text_cosine <= 1.00001
    assert least < min(images.min(), texts.min())


def test_the_manifest_tells_what_was_measured(exported: Exported) -> None:
    """The greatest differences to torch stand in the notes; scale and bias are the model's."""
    manifest = exported.bundle.manifest
    parity = manifest.provenance.notes[seal.PARITY]
    bias = getattr(exported.model, "logit_bias", None)

    assert isinstance(parity, dict)
    assert {"image", "text"} == parity.keys()
    assert all(0 < float(str(value)) <= TOLERANCE for value in parity.values())
    assert float(exported.model.logit_scale.detach().exp()) == pytest.approx(manifest.logit_scale)
    assert (0.0 if bias is None else float(bias.detach())) == pytest.approx(manifest.logit_bias)
    architecture, weights = ("own", "own.pt") if exported.kind == OWN else (f"local-dir:{exported.kind}", WEIGHTS)
    assert architecture == manifest.provenance.architecture
    assert manifest.provenance.pretrained.startswith(f"{weights} (sha256 ")


def test_only_causal_towers_promise_it(exported: Exported) -> None:
    """CLIP's text tower may be cut, in the model or of its own; CoCa's, SigLIP's and Hugging Face's may not."""
    causal = {"quickgelu", "resnet"}

    assert (exported.kind in causal) == exported.bundle.manifest.text.causal


def test_a_configuration_file_and_weights_from_torch(
    hub: Callable[[str], Path], exported_kind: Callable[[str], Path]
) -> None:
    """`NAME.json` names an architecture of one's own; a `.pt` of it gives the vectors that its weights have."""
    bundle = Bundle.open(exported_kind(OWN))

    assert "own" == bundle.manifest.provenance.architecture
    assert bundle.manifest.provenance.pretrained.startswith("own.pt (sha256 ")
    model = import_open_clip().create_model(f"local-dir:{hub(OWN)}").eval()
    tokenizer = import_open_clip().get_tokenizer("ViT-B-32")
    with torch.no_grad():
        expected = unit(model.encode_text(tokenizer(TEXTS)))
    assert np.abs(expected - bundle.embed_texts(TEXTS).vectors).max() <= TOLERANCE


def test_an_unknown_architecture_is_told(tmp_path: Path) -> None:
    """A name that open_clip does not know is an error, and nothing is written."""
    with pytest.raises(ExportError, match="ViT-Z"):
        export_open_clip("ViT-Z", "none", tmp_path / "bundle")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("architecture", ["roberta-ViT-B-32", "ViT-B-16-SigLIP"])
def test_a_hub_that_does_not_answer_is_one_sentence(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Models whose text files are on a hub fail at once without a network, and say how to go without it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ExportError, match="--text-files") as raised:
        export_open_clip(architecture, "none", tmp_path / "bundle")

    assert 1 == len(str(raised.value).splitlines())
    assert ("", "") == capfd.readouterr()
    assert [] == list(tmp_path.iterdir())


def test_weights_on_a_hub_that_does_not_answer_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A tag whose weights cannot be fetched says to bring the file."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))

    with pytest.raises(ExportError, match=r"ViT-B-32/laion2b_s34b_b79k cannot be had.*--pretrained") as raised:
        export_open_clip("ViT-B-32", "laion2b_s34b_b79k", tmp_path / "bundle")

    assert 1 == len(str(raised.value).splitlines())
    assert ("", "") == capfd.readouterr()


def test_a_missing_file_is_told_before_anything_is_built(tmp_path: Path) -> None:
    """Weights that are not there are the first thing said."""
    with pytest.raises(ExportError, match="no checkpoint"):
        export_open_clip("ViT-B-32", str(tmp_path / "absent.pt"), tmp_path / "bundle")
