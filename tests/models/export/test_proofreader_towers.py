"""A proofreader beside towers of every kind that open_clip has: timm's, CoCa's, SigLIP's and Hugging Face's."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.export.parity import sample_pixels
from models.export.proofreader import Samples, TrainedProofreader, export_proofreader
from models.export.seal import sample_ids
from models.manifest import MANIFEST_NAME, read_manifest
from models.negatives.words import split_words, token_words
from models.pretrained.load import load_open_clip
from models.proofreader import Proofreader
from models.sealed import seal_files
from models.training.features import depth, image_features, normalised, text_features
from models.training.interaction import pool_words
from models.training.objective import Objective, with_proofreading
from models.training.recipe import ProofreadingPart
from tests.models.export.folders import WEIGHTS
from tests.support.proof_bundle import FITTED

VOCABULARY = tuple(f"word{number}" for number in range(20))
TEXTS = ("a red circle", "It's a naïve café, ÜBER 東京!", "blue", "two dogs playing on a beach " * 9)


def trained(folder: Path, exported: Path, output: Path) -> tuple[Objective, Bundle]:
    """The towers of one of `folders.CONFIGS` beside a module with random weights, in torch and as a bundle.

    The towers' own graphs are those *exported* without the module: they are byte for byte the same with it, which
    test_proofreader.py shows.
    """
    loaded = load_open_clip(f"local-dir:{folder}", str(folder / WEIGHTS))
    side = loaded.preprocess.size
    part = ProofreadingPart(width=16, heads=2, levels=min(2, depth(loaded.model)), side=3)
    torch.manual_seed(0)
    objective = with_proofreading(loaded.model, part, side, len(VOCABULARY)).eval()
    assert objective.module is not None
    shutil.copytree(exported, output, ignore=shutil.ignore_patterns(MANIFEST_NAME))
    second = TrainedProofreader(objective.module, objective.levels, VOCABULARY, FITTED)
    samples = Samples(sample_pixels(side), sample_ids(Bundle.open(exported).tokenizer, loaded.text))
    reading, worst = export_proofreader(output, objective.towers, second, loaded.preprocess, loaded.text, samples)
    assert 0 < worst <= 1e-4
    changes = {"proofreader": reading, "files": seal_files(output)}
    (output / MANIFEST_NAME).write_bytes(read_manifest(exported).model_copy(update=changes).to_bytes())
    return objective, Bundle.open(output)


@torch.no_grad()
def supports(objective: Objective, bundle: Bundle, text: str, pixels: np.ndarray) -> np.ndarray:
    """1 - P(wrong) of the words of one text that are read whole, beside k images, in torch: (k, w)."""
    assert objective.module is not None
    reading = bundle.tokenizer.read(text)
    words = split_words(reading.text)
    count = len([word for word in words if reading.cut is None or word.end <= reading.cut])
    of = torch.tensor([token_words(reading.offsets, words)])
    tokens = text_features(objective.towers, torch.from_numpy(reading.ids)).tokens[:, : of.shape[1]]
    pooled = pool_words(tokens, of, count).expand(len(pixels), -1, -1)
    image = image_features(objective.towers, normalised(objective.towers, torch.from_numpy(pixels)), objective.levels)
    read = objective.module(pooled, torch.ones(pooled.shape[:2], dtype=torch.bool), image)
    return 1 - objective.module.detection(read).sigmoid().numpy()


@pytest.mark.parametrize("kind", ["convnext", "coca", "siglip", "huggingface"])
def test_any_towers_are_exported_and_read(
    kind: str, hub: Callable[[str], Path], exported_kind: Callable[[str], Path], tmp_path: Path
) -> None:
    """The runtime says of every word what torch says, within what int8 patches cost, alone and beside longer texts; the
    image's embedding is the bundle's own."""
    objective, bundle = trained(hub(kind), exported_kind(kind), tmp_path / kind)
    side = bundle.manifest.preprocess.size
    pixels = sample_pixels(side, seed=3)[2:5]

    reader = Proofreader.open(bundle)
    images = reader.encode_images(pixels)

    embeddings = np.stack([image.embedding for image in images])
    assert np.abs(bundle.embed_images(pixels) - embeddings).max() < 1e-4
    found = [reader.check(text, images) for text in TEXTS]
    together = reader.check_texts(TEXTS, images[0])
    for text, proofs, beside in zip(TEXTS, found, together, strict=True):
        expected = supports(objective, bundle, text, pixels)
        read = np.array([[word.support for word in proof.words if word.support is not None] for proof in proofs])
        assert expected.shape == read.shape
        assert np.abs(expected - read).max() < 0.05
        assert [word.support for word in proofs[0].words] == pytest.approx(
            [word.support for word in beside.words], abs=1e-4
        )
    # the comparison means something: other words and other pictures have other supports
    assert np.ptp(supports(objective, bundle, TEXTS[0], pixels)) > 1e-3
