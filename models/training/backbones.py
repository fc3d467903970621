"""What a recipe trains: both towers with their tokenizer, fresh ones by its sizes or those of an open_clip model."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import nn

from models.errors import ExportError
from models.manifest import Preprocess, TextSpec
from models.pretrained.load import load_open_clip
from models.training.parts import ModelPart, ResidualPart, ResNetPart, TimmPart
from models.training.recipe import Recipe, RecipeError
from models.training.tokenizer import END, train_tokenizer
from models.training.towers import MEAN, STD, build_towers


@dataclass(frozen=True)
class Backbone:
    """Towers, and what it takes to feed them.

    Attributes:
        towers: an open_clip model.
        tokenizer: cuts and pads as the text tower wants it.
        tokenizer_json: the same without cutting and padding, for a bundle.
        preprocess: how an image becomes the image tower's input.
        text: how a string becomes token ids.
        architecture: for the record.
        source: where the weights come from, for the record; "none" when they are random.
    """

    towers: nn.Module
    tokenizer: Tokenizer
    tokenizer_json: bytes
    preprocess: Preprocess
    text: TextSpec
    architecture: str
    source: str


def own_preprocess(recipe: Recipe) -> Preprocess:
    """How an image becomes the input of a recipe's own image tower.

    Raises:
        RecipeError: it has none.
    """
    if recipe.image is None:
        raise RecipeError("image: the recipe has no image tower of its own")
    return Preprocess(size=recipe.image.size, mean=MEAN, std=STD)


def own(recipe: Recipe, captions: Iterable[str]) -> Backbone:
    """Fresh towers by the recipe's sizes, its seed deciding their weights, and a tokenizer learnt from the captions.

    Raises:
        RecipeError: the recipe names a model, or the image tower cannot be built.
    """
    if recipe.text is None:
        raise RecipeError("text: the recipe has no text tower of its own")
    preprocess = own_preprocess(recipe)
    torch.manual_seed(recipe.seed)
    tokenizer = train_tokenizer(captions, recipe.text.vocabulary)
    towers = build_towers(recipe, tokenizer.get_vocab_size())
    text = TextSpec(context_length=recipe.text.context_length, causal=True, eot_id=tokenizer.token_to_id(END))
    sealed = tokenizer.to_str().encode()
    architecture = (
        f"open_clip {_image_name(recipe)} at {preprocess.size} px, "
        f"causal text transformer {recipe.text.layers} x {recipe.text.width}"
    )
    return Backbone(towers, fitted(tokenizer, text), sealed, preprocess, text, architecture, "none")


def named(part: ModelPart, seed: int) -> Backbone:
    """The towers of an open_clip model; *seed* decides weights that nothing else does.

    Raises:
        RecipeError: it cannot be had; the message says what is missing.
    """
    torch.manual_seed(seed)
    try:
        loaded = load_open_clip(part.open_clip, part.pretrained, text_files=part.text_files, like=part.like)
    except ExportError as error:
        raise RecipeError(
            f"model: {error} (in a recipe: model.open_clip, model.pretrained, model.text_files, model.like)"
        ) from error
    tokenizer = fitted(Tokenizer.from_str(loaded.tokenizer_json.decode()), loaded.text)
    return Backbone(
        loaded.model,
        tokenizer,
        loaded.tokenizer_json,
        loaded.preprocess,
        loaded.text,
        f"open_clip {loaded.architecture}",
        loaded.source,
    )


def fitted(tokenizer: Tokenizer, text: TextSpec) -> Tokenizer:
    """Let *tokenizer* cut texts to the context, and pad them to it where the tower is not causal; returns it."""
    tokenizer.enable_truncation(text.context_length)
    if not text.causal:
        tokenizer.enable_padding(length=text.context_length, pad_id=text.pad_id)
    return tokenizer


def _image_name(recipe: Recipe) -> str:
    part = recipe.image
    if isinstance(part, ResNetPart):
        return f"ModifiedResNet {part.layers} x {part.width}"
    if isinstance(part, ResidualPart):
        return f"residual blocks {part.channels} after {part.stem}"
    if isinstance(part, TimmPart):
        return f"timm {part.timm}"
    return f"vision transformer {part.layers} x {part.width}, patches of {part.patch}" if part else ""
