"""Backbones: whatever the towers, a step with proofreading teaches both, fed as serving feeds them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch

from models.negatives.editor import Caption
from models.text import Tokenizer
from models.training.backbones import Backbone, fitted, named, own, own_preprocess
from models.training.batch import Batch
from models.training.editing import EditMaker, Vocabulary
from models.training.features import text_features
from models.training.objective import Objective, with_late, with_proofreading
from models.training.parts import ModelPart
from models.training.recipe import LatePart, ProofreadingPart, RecipeError
from models.training.tokenizer import token_ids
from tests.models.export.folders import CONFIG, CONFIGS, make_roberta, make_unigram, make_wordpiece
from tests.models.training.edits import ColourEditor
from tests.models.training.small import small_recipe

TEXTS = ["a photo of a red circle", "blue over green", "two dogs playing", "a pink café at sunset"]
RESNET = "layers = [1, 1, 1, 1]\nwidth = 4\nsize = 64"
OWN = {
    "resnet": RESNET,
    "transformer": "patch = 16\nlayers = 3\nwidth = 32\nhead_width = 16\nsize = 32",
    "timm": 'timm = "test_convnext2"\nsize = 64',
    "residual": "channels = [8, 16]\nstem = 4\nsize = 64",
}
TOKENIZERS: dict[str, Callable[[Path], None]] = {"siglip": make_unigram, "convnext": make_wordpiece}


def make_own(folder: Path, kind: str) -> Backbone:
    """Towers by a recipe's sizes."""
    return own(small_recipe(folder, (RESNET, OWN[kind])), TEXTS * 20)


def make_named(folder: Path, kind: str, **text: object) -> Backbone:
    """The towers of a folder as hubs keep them, with random weights; of a text tower with those settings."""
    folder.mkdir()
    if kind == "huggingface":
        make_roberta(folder / "tower")
        make_roberta(folder)
    TOKENIZERS.get(kind, lambda _: None)(folder)
    config = json.loads(json.dumps(CONFIGS[kind]))
    config["text_cfg"] |= text
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return named(ModelPart(open_clip=f"local-dir:{folder}", pretrained="none"), seed=0)


MAKERS: dict[str, Callable[[Path], Backbone]] = {
    **{f"own-{kind}": (lambda folder, kind=kind: make_own(folder, kind)) for kind in OWN},
    **{
        kind: (lambda folder, kind=kind: make_named(folder / kind, kind))
        for kind in ("quickgelu", "convnext", "coca", "huggingface")
    },
    "class token": lambda folder: make_named(folder / "class", "huggingface", hf_pooler_type="cls_pooler"),
}


@pytest.fixture(scope="module", params=list(MAKERS))
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """One of each kind of tower."""
    torch.set_num_threads(1)
    return MAKERS[request.param](tmp_path_factory.mktemp("backbone"))


def test_a_step_of_proofreading_teaches_both_towers(backbone: Backbone) -> None:
    """Bytes and captions go in; every loss is finite; the first weights of both towers feel detection and correction."""
    vocabulary = Vocabulary.of(TEXTS, 20)
    edits = EditMaker(ColourEditor(), backbone.tokenizer, vocabulary, 0.0)
    part = ProofreadingPart(width=16, heads=2, levels=2)
    objective = with_proofreading(backbone.towers, part, backbone.preprocess.size, len(vocabulary)).train()
    drawn = edits.draw_each([Caption(text) for text in TEXTS], np.random.default_rng(0))
    side = backbone.preprocess.size
    pixels = torch.randint(
        0, 256, (len(TEXTS), side, side, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    batch = Batch(pixels, token_ids(backbone.tokenizer, TEXTS), edits.lay_out_each(drawn)).prepared(backbone.towers)

    parts = objective(batch)
    (parts["detection"] + parts["correction"]).backward()

    assert all(torch.isfinite(part) for part in parts.values())
    assert parts["correction"] > 0
    text = getattr(backbone.towers, "text", backbone.towers)
    for tower in (backbone.towers.visual, getattr(text, "transformer", text)):
        first = next(each for each in tower.parameters() if each.ndim >= 2)
        assert first.grad is not None
        assert first.grad.norm() > 0


def test_a_token_of_a_text_has_seen_something_of_it(backbone: Backbone) -> None:
    """What is compared with patches differs from text to text: neither a marker before all of them, nor what a tower keeps to itself."""
    size = backbone.preprocess.size
    objective = with_late(Objective(backbone.towers), LatePart(width=8, side=2), size, backbone.text).eval()
    ids = token_ids(backbone.tokenizer, TEXTS)

    assert objective.late is not None
    there = objective.late.there(ids)
    with torch.no_grad():
        vectors = objective.late(
            torch.zeros(len(TEXTS), objective.late.patches[1].in_features, 2, 2), *_tokens(backbone, ids)
        )
    assert there.any(dim=1).all()
    for place in there.all(dim=0).nonzero().flatten().tolist():
        assert (vectors["tokens"][:, place] - vectors["tokens"][:1, place]).abs().max() > 1e-5


def _tokens(backbone: Backbone, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return text_features(backbone.towers.eval(), ids).tokens, ids


def test_ids_are_those_of_the_bundle(backbone: Backbone) -> None:
    """Training reads texts, long ones too, as the runtime will read them from the bundle's tokenizer."""
    texts = [*TEXTS, "two dogs playing on a beach " * 40]
    runtime = Tokenizer(tokenizers.Tokenizer.from_str(backbone.tokenizer_json.decode()), backbone.text)

    found = token_ids(backbone.tokenizer, texts)

    expected = torch.from_numpy(runtime.encode(texts).ids)[:, : found.shape[1]]
    assert torch.equal(expected, found)
    assert backbone.text.causal or found.shape[1] == backbone.text.context_length


def test_words_keep_their_tokens(backbone: Backbone) -> None:
    """Every word has a token, unless the context cuts it off: then it is neither judged nor corrected."""
    edits = EditMaker(ColourEditor(), backbone.tokenizer, Vocabulary.of(TEXTS, 20), 0.0)
    long = "dogs " * 100 + "red"

    batch = edits.lay_out_each(edits.draw_each([Caption(TEXTS[0]), Caption(long)], np.random.default_rng(0)))

    assert [True] * 6 == batch.there[0, :6].tolist()
    assert batch.changed[0]
    if backbone.text.context_length < 100:
        assert not batch.there[1].all()
    judged = {(row, place) for row, place in batch.there.nonzero().tolist()}
    assert {(row, place) for row, place in batch.wrong.nonzero().tolist()} <= judged
    assert {(row, place) for row, place in batch.places.tolist()} <= judged


def test_a_model_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    """A name that open_clip does not know is an error that names the recipe's field and names near it."""
    with pytest.raises(
        RecipeError, match=r"model: open_clip has no architecture 'ViT-B-61': near it are .*ViT-B-16.*model\.open_clip"
    ):
        named(ModelPart(open_clip="ViT-B-61", pretrained="none"), seed=0)


def test_an_unknown_timm_tower_is_told(tmp_path: Path) -> None:
    """A name that timm does not know is an error of the recipe."""
    with pytest.raises(RecipeError, match="image: the tower cannot be built"):
        own(small_recipe(tmp_path, (RESNET, 'timm = "no_such_tower"\nsize = 64')), TEXTS)


def test_towers_of_ones_own_say_how_they_are_fed(tmp_path: Path) -> None:
    """Side, mean and deviation of the manifest are those that the towers were built with."""
    recipe = small_recipe(tmp_path)
    made = own(recipe, TEXTS)

    assert own_preprocess(recipe) == made.preprocess
    assert (made.towers.visual.image_mean, made.towers.visual.image_std) == (made.preprocess.mean, made.preprocess.std)


def test_a_causal_tower_needs_no_padding(tmp_path: Path) -> None:
    """Ids of a causal tower are as long as the longest text; of others, as the context."""
    made = make_own(tmp_path, "transformer")
    padded = fitted(
        tokenizers.Tokenizer.from_str(made.tokenizer_json.decode()),
        made.text.model_copy(update={"causal": False, "pad_id": 7}),
    )

    assert len(made.tokenizer.encode("two dogs").ids) == token_ids(made.tokenizer, ["two dogs"]).shape[1] < 64
    assert 64 == token_ids(padded, ["two dogs"]).shape[1]
    assert 7 == token_ids(padded, ["two dogs"])[0, -1]
