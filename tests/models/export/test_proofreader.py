"""The proofreader in a bundle: what torch says, and the towers as they are without it."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from models.bundle import Bundle
from models.errors import ExportError
from models.export.parity import sample_pixels
from models.export.proofreader import Samples, TrainedProofreader, check_size, export_proofreader
from models.export.seal import PARITY, export_bundle
from models.manifest import BundleManifest, Preprocess, Provenance, TextSpec
from models.negatives.words import split_words, token_words
from models.open_clip_import import import_open_clip
from models.ort import Runtime
from models.proof_graphs import ProofGraphs
from models.proofreader import Proofreader
from models.training.features import image_features, level_indices, normalised, text_features
from models.training.interaction import Shape, pool_words
from models.training.objective import Objective, with_proofreading
from models.training.recipe import ProofreadingPart, Recipe, read_recipe
from models.training.towers import build_towers
from tests.support.proof_bundle import CONTEXT, FITTED, SIDE, make_proof_bundle, trained

TEXTS = ["a red picture", "the photo is green and red, a blue cat's 12 is", "yellow", "is the a red picture " * 9]
VOCABULARY = tuple(f"word{number}" for number in range(30))


@dataclass(frozen=True)
class Exported:
    """Towers and module in torch, and their bundle."""

    objective: Any
    bundle: Bundle


def residual_towers() -> torch.nn.Module:
    """A ModifiedResNet beside a text tower of its own that looks both ways, with a normalisation that has seen things."""
    import_open_clip()
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP

    torch.manual_seed(0)
    vision = CLIPVisionCfg(image_size=SIDE, layers=(1, 1, 1, 1), width=4, head_width=32)  # pyright: ignore[reportArgumentType]
    text: dict[str, Any] = {
        "context_length": CONTEXT, "vocab_size": trained().tokenizer.get_vocab_size(), "width": 32, "heads": 2,
        "layers": 1, "no_causal_mask": True, "pool_type": "last",
    }  # fmt: skip
    towers = CustomTextCLIP(16, vision, CLIPTextCfg(**text)).eval()
    towers.visual.image_mean, towers.visual.image_std = (0.5,) * 3, (0.25,) * 3
    for each in towers.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.running_mean.normal_(0, 0.1)  # pyright: ignore[reportOptionalMemberAccess]
            each.running_var.uniform_(0.5, 1.5)  # pyright: ignore[reportOptionalMemberAccess]
    return towers


def export(objective: Objective, output: Path, vocabulary: tuple[str, ...], *, causal: bool) -> BundleManifest:
    """The bundle of towers and module, with the tokenizer that knows colours."""
    assert objective.module is not None
    return export_bundle(
        objective.towers,
        trained().tokenizer.to_str().encode(),
        name="small",
        output=output,
        preprocess=Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3),
        text=TextSpec(context_length=CONTEXT, causal=causal, eot_id=trained().tokenizer.token_to_id("<end>")),
        provenance=Provenance(architecture="small", pretrained="none"),
        proofreader=TrainedProofreader(objective.module, objective.levels, vocabulary, FITTED),
    )


@pytest.fixture(scope="module", params=["transformer, causal", "residual, both ways"])
def exported(request: pytest.FixtureRequest, proof_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A vision transformer beside CLIP's own text tower, and what `residual_towers` makes."""
    if request.param.startswith("transformer"):
        return Exported(trained().objective, Bundle.open(proof_bundle))
    part = ProofreadingPart(width=24, heads=2, levels=3, side=3)
    objective = with_proofreading(residual_towers(), part, SIDE, len(VOCABULARY)).eval()
    folder = tmp_path_factory.mktemp("export") / "residual"
    export(objective, folder, VOCABULARY, causal=False)
    return Exported(objective, Bundle.open(folder))


def run(exported: Exported, name: str, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs of one of the bundle's graphs."""
    return list(map(np.asarray, onnxruntime.InferenceSession(exported.bundle.path / name).run(None, feeds)))


def read_with_torch(exported: Exported, text: str, pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits [k, w] and [k, w, V] of one text beside k images, by the module as it was trained."""
    objective, tokenizer = exported.objective, exported.bundle.tokenizer
    reading = tokenizer.read(text)
    words = split_words(reading.text)
    of = torch.tensor([token_words(reading.offsets, words)])
    # tokens that were cut leave their word to be read in part: not here
    count = len([word for word in words if reading.cut is None or word.end <= reading.cut])
    with torch.no_grad():
        tokens = text_features(objective.towers, torch.from_numpy(reading.ids)).tokens[:, : of.shape[1]]
        pooled = pool_words(tokens, of, count).expand(len(pixels), -1, -1)
        image = image_features(
            objective.towers, normalised(objective.towers, torch.from_numpy(pixels)), objective.levels
        )
        features = objective.module(pooled, torch.ones(pooled.shape[:2], dtype=torch.bool), image)
        return objective.module.detection(features), objective.module.correction(features)


@pytest.mark.parametrize("text", TEXTS)
def test_the_graphs_say_what_torch_says(exported: Exported, text: str) -> None:
    """Pixels and ids through the three graphs give the module's logits within 1e-4, of every word and every answer."""
    pixels = sample_pixels(SIDE, seed=3)[2:6]
    wrong, answers = read_with_torch(exported, text, pixels)
    tokenizer, causal = exported.bundle.tokenizer, exported.bundle.manifest.text.causal
    reading = tokenizer.read(text)
    length = len(reading.offsets)
    (tokens,) = run(exported, "proof.text.onnx", {"ids": reading.ids[:, :length] if causal else reading.ids})
    of = np.array(token_words(reading.offsets, split_words(reading.text)))
    words = np.stack([tokens[0, :length][of == place].mean(axis=0) for place in range(wrong.shape[1])])
    embedding, patches = run(exported, "proof.image.onnx", {"pixels": pixels})
    feeds = {
        "words": np.repeat(words[None], len(pixels), axis=0),
        "there": np.ones(wrong.shape, bool),
        "patches": patches,
        "embedding": embedding,
        "places": np.argwhere(np.ones(wrong.shape, bool)),
    }

    found = run(exported, "proofreader.onnx", feeds)

    assert np.abs(found[0] - wrong.numpy()).max() < 1e-4
    assert np.abs(found[1] - answers.flatten(0, 1).numpy()).max() < 1e-4


@pytest.mark.parametrize("text", TEXTS)
def test_int8_patches_change_little(exported: Exported, text: str) -> None:
    """From stored images, the runtime's supports are the module's within 0.05."""
    pixels = sample_pixels(SIDE, seed=3)[2:6]
    wrong, _ = read_with_torch(exported, text, pixels)
    reader = Proofreader.open(exported.bundle)

    proofs = reader.check(text, reader.encode_images(pixels))

    found = np.array([[word.support for word in proof.words if word.support is not None] for proof in proofs])
    assert np.abs(found - (1 - wrong.sigmoid().numpy())).max() < 0.05


def test_the_manifest_tells_sizes_and_parity(exported: Exported) -> None:
    """Sizes are the module's, and the greatest difference to torch that was found is written down."""
    spec, shape = exported.bundle.manifest.proofreader, exported.objective.module.shape

    assert spec is not None
    assert (shape.vocabulary, shape.tokens, shape.width) == (spec.words, spec.features, spec.channels)
    assert FITTED == spec.calibration
    parity = exported.bundle.manifest.provenance.notes[PARITY]
    assert isinstance(parity, dict)
    assert {"image", "text", "proofreader"} == set(parity)
    assert 0 <= float(str(parity["proofreader"])) <= 1e-4


def test_no_weight_is_stored_twice(exported: Exported) -> None:
    """The text's graph brings nothing new, the image's only its projections: far less than the towers."""
    folder = exported.bundle.path
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}

    assert "proof.text.onnx.data" not in sizes
    projections = 4 * sum(each.numel() for each in exported.objective.module.levels.parameters())
    # places and the matrices that average are constants of the graph
    assert sizes["proof.image.onnx.data"] < 2 * projections + 20_000
    assert sizes["proof.image.onnx.data"] < sizes["image.onnx.data"] / 3


def test_the_towers_are_as_they_are_without_it(proof_bundle: Path, tmp_path: Path) -> None:
    """Serving costs exactly the same: graphs and weights of both towers are equal byte for byte, and so is the tokenizer."""
    plain = make_proof_bundle(tmp_path / "plain", proofreader=False)

    files = sorted(path.name for path in plain.iterdir() if path.name != "bundle.json")
    assert ["image.onnx", "image.onnx.data", "text.onnx", "text.onnx.data", "tokenizer.json"] == files
    for name in files:
        assert (plain / name).read_bytes() == (proof_bundle / name).read_bytes(), name
    assert Bundle.open(plain).manifest.proofreader is None


def test_a_vocabulary_of_another_module_is_refused() -> None:
    """As many words as the module answers are needed."""
    known = trained().objective

    assert known.module is not None
    with pytest.raises(ValueError, match="30 words for a module that answers"):
        TrainedProofreader(known.module, known.levels, VOCABULARY, FITTED)


def test_a_module_without_patches_is_exported(proof_bundle: Path, tmp_path: Path) -> None:
    """Where words meet the embedding alone, an image keeps no patches, and is read all the same."""
    folder = Path(shutil.copytree(proof_bundle, tmp_path / "bundle"))
    bundle, towers = Bundle.open(folder), trained().objective.towers
    part = ProofreadingPart(width=8, heads=2, levels=1, local=False)
    objective = with_proofreading(towers, part, SIDE, len(VOCABULARY))
    assert objective.module is not None
    second = TrainedProofreader(objective.module, objective.levels, VOCABULARY, FITTED)
    samples = Samples(sample_pixels(SIDE), [bundle.tokenizer.encode(TEXTS).ids])

    spec, worst = export_proofreader(folder, towers, second, bundle.manifest.preprocess, bundle.manifest.text, samples)

    graphs = ProofGraphs(folder, bundle.manifest, spec, Runtime())
    images = graphs.images(samples.pixels)
    assert worst < 1e-4
    assert (0, 8, 16) == graphs.shape == images[0].shape
    logits, answers = graphs.read([np.ones((2, spec.features), np.float32)] * 8, images, np.zeros((1, 2)))
    assert (8, 2) == logits.shape
    assert (1, 30) == answers.shape
    assert len(set(logits[:, 0].tolist())) > 4


RECIPES = sorted((Path(__file__).parents[3] / "models" / "recipes").glob("*.toml"))


def unmade(recipe: Recipe) -> tuple[torch.nn.Module, int]:
    """A recipe's towers without weights, and the side of their images."""
    import_open_clip()
    from open_clip import create_model, get_model_config

    with torch.device("meta"):
        if recipe.image is not None:
            return build_towers(recipe, 300), recipe.image.size
        assert recipe.model is not None
        config: Any = get_model_config(recipe.model.open_clip)
        return create_model(recipe.model.open_clip, device="meta"), config["vision_cfg"]["image_size"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_keeps_little_of_an_image(path: Path) -> None:
    """What it would train can be exported: at most 10,000 bytes an image, as the documentation says."""
    recipe = read_recipe(path)
    part = recipe.proofreading
    if part is None:
        return
    towers, side = unmade(recipe)
    levels = level_indices(towers, part.levels)
    shape = Shape(1, 1, (1,) * part.levels, width=part.width, side=part.side, local=part.local)

    check_size(towers, shape, levels, side)
    with pytest.raises(ExportError, match=r"keep [\d,]+ bytes of each image.*has room for 10,000.*proofreading\.side"):
        check_size(towers, replace(shape, width=4 * shape.width), levels, side)


def test_what_would_keep_much_of_an_image_is_refused(proof_bundle: Path, tmp_path: Path) -> None:
    """Beforehand and at export alike, by the very size that is stored; the towers are left as they were."""
    bundle, towers = Bundle.open(proof_bundle), trained().objective.towers
    # one level of 2 x 2 patches, beside an embedding of 16: 8 + 8 + 4 c + 32 bytes
    for channels, fits in ((2488, True), (2492, False)):
        objective = with_proofreading(
            towers, ProofreadingPart(width=channels, heads=2, levels=1, side=7), SIDE, len(VOCABULARY)
        )
        assert objective.module is not None
        if fits:
            check_size(towers, objective.module.shape, objective.levels, SIDE)
            continue
        with pytest.raises(ExportError, match="keep 10,016 bytes of each image, 4 patches of 2492 channels"):
            check_size(towers, objective.module.shape, objective.levels, SIDE)
        second = TrainedProofreader(objective.module, objective.levels, VOCABULARY, FITTED)
        samples = Samples(sample_pixels(SIDE), [bundle.tokenizer.encode(TEXTS).ids])
        with pytest.raises(ExportError, match="keep 10,016 bytes"):
            export_proofreader(tmp_path, towers, second, bundle.manifest.preprocess, bundle.manifest.text, samples)
    assert not towers.training
    assert [] == list(tmp_path.iterdir())
