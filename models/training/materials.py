"""All that goes into a run: towers, training pairs and edits, gathered from a recipe in the one order that works."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer

from models.training.augment import draw_view
from models.training.backbones import Backbone, named, own, own_preprocess
from models.training.batches import Batches
from models.training.editing import EditMaker, Vocabulary
from models.training.editors import fill_cache, make_editor
from models.training.pairs import Pairs
from models.training.parts import ScenesPart
from models.training.recipe import Recipe, RecipeError
from models.training.sources import Split, open_pairs

# captions whose tokens are counted at once: those of a large corpus would fill the memory
_CHUNK = 10_000


class CaptionsCut(UserWarning):
    """Some captions are longer than the text tower's context."""


@dataclass(frozen=True)
class Materials:
    """What a run is made of.

    Attributes:
        recipe: what decided it.
        cache: folder of what is kept between runs.
        backbone: towers and tokenizer.
        batches: of the training pairs, with edits where the recipe proofreads.
        vocabulary: what correction can answer; None without proofreading.
    """

    recipe: Recipe
    cache: Path
    backbone: Backbone
    batches: Batches
    vocabulary: Vocabulary | None
    _opened: dict[Split, Pairs] = field(default_factory=dict[Split, Pairs], repr=False)

    def pairs(self, split: Split) -> Pairs:
        """A split as the towers take it; opened once."""
        if split not in self._opened:
            spec, cleaning = self.backbone.preprocess, self.backbone.text.clean
            self._opened[split] = open_pairs(self.recipe.data, split, spec, self.cache, cleaning)
        return self._opened[split]


def gather(recipe: Recipe, cache: Path, told: Callable[[int, int], None] | None = None) -> Materials:
    """Open the training data, build or load the towers, learn the tokenizer, and make the source of edits.

    Args:
        recipe: the run.
        cache: folder of what is kept between runs.
        told: hears how many captions are edited, and of how many, while the recipe's cache of edits is filled.

    Raises:
        RecipeError: data or a model are missing, or a scene's caption is longer than the context.
        MaskedLmInvalid: the language model of the edits cannot be loaded.

    Warns:
        CaptionsCut: captions of pictures are longer than the context.
        PicturesDamaged: pictures cannot be read.
    """
    backbone = None if recipe.model is None else named(recipe.model, recipe.seed)
    preprocess = own_preprocess(recipe) if backbone is None else backbone.preprocess
    # towers of one's own are fed as CLIP's: lower case
    pairs = open_pairs(recipe.data, "train", preprocess, cache, "lower" if backbone is None else backbone.text.clean)
    texts = [text for captions in pairs.captions for text in captions]
    backbone = backbone or own(recipe, texts)
    _check_lengths(recipe, backbone, texts)
    for progress in fill_cache(recipe.edits, pairs.captions, recipe.seed):
        if told is not None:
            told(*progress)
    edits, vocabulary = _edits(recipe, backbone.tokenizer, pairs)
    view = None if recipe.augment is None else partial(draw_view, recipe.augment)
    try:
        batches = Batches(pairs, backbone.tokenizer, recipe.optim.batch, recipe.seed, edits, view)
    except ValueError as error:
        raise RecipeError(f"optim.batch: {error}") from error
    return Materials(recipe, cache, backbone, batches, vocabulary, {"train": pairs})


def _edits(recipe: Recipe, tokenizer: Tokenizer, pairs: Pairs) -> tuple[EditMaker | None, Vocabulary | None]:
    part = recipe.proofreading
    if part is None:
        return None, None
    vocabulary = Vocabulary.of((text for texts in pairs.captions for text in texts), part.vocabulary)
    editor = make_editor(recipe.edits, pairs.captions)
    per_caption = 1 if recipe.edits is None else recipe.edits.per_caption
    return EditMaker(editor, tokenizer, vocabulary, part.unedited, per_caption), vocabulary


def _check_lengths(recipe: Recipe, backbone: Backbone, texts: Sequence[str]) -> None:
    cut = [
        text
        for start in range(0, len(texts), _CHUNK)
        for text, encoding in zip(
            texts[start : start + _CHUNK],
            backbone.tokenizer.encode_batch_fast(texts[start : start + _CHUNK]),
            strict=True,
        )
        if encoding.overflowing
    ]
    if not cut:
        return
    if isinstance(recipe.data, ScenesPart):
        whole = Tokenizer.from_str(backbone.tokenizer_json.decode())
        longest = max(len(encoding.ids) for encoding in whole.encode_batch_fast(cut))
        raise RecipeError(
            f"text.context_length {backbone.text.context_length} is less than the longest caption's {longest} tokens: "
            "raise it, or raise text.vocabulary so that words have fewer tokens"
        )
    share = len(cut) / len(texts)
    said = f"{len(cut):,} of {len(texts):,} captions ({share:.1%}) are longer than the context, and lose their end"
    warnings.warn(said, CaptionsCut, stacklevel=3)
