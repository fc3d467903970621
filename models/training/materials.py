"""All that goes into a run: towers, training pairs and edits, gathered from a recipe in the one order that works."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from tokenizers import Tokenizer

from models.training.augment import draw_view
from models.training.backbones import Backbone, named, own, own_preprocess
from models.training.batches import Batches
from models.training.clips import any_moment
from models.training.compute import device_of
from models.training.editing import EditMaker, Vocabulary
from models.training.editors import fill_cache, make_editor
from models.training.language_model import Told, with_language_model
from models.training.lessons import Lessons, ask, lessons_name, open_teacher
from models.training.pairs import Pairs
from models.training.parts import MOVING, PicturesPart, RenderedPart, TeacherPart
from models.training.recipe import Recipe, RecipeError
from models.training.sources import Split, data_digest, open_pairs

# captions whose tokens are counted at once: those of a large corpus would fill the memory
_CHUNK = 10_000


class CaptionsCut(UserWarning):
    """Some captions are longer than the text tower's context."""


@dataclass(frozen=True)
class Materials:
    """What a run is made of.

    Attributes:
        recipe: what decided it; a language model of its edits that the run trained is named by its folder.
        cache: folder of what is kept between runs.
        backbone: towers and tokenizer.
        batches: of the training pairs, with edits where the recipe proofreads.
        vocabulary: what correction can answer; None without proofreading.
        lessons: what a teacher says of the training pairs; None without one.
    """

    recipe: Recipe
    cache: Path
    backbone: Backbone
    batches: Batches
    vocabulary: Vocabulary | None
    lessons: Lessons | None = None
    _opened: dict[Split, Pairs] = field(default_factory=dict[Split, Pairs], repr=False)
    _judge: EditMaker | None = field(default=None, repr=False)

    def pairs(self, split: Split) -> Pairs:
        """A split as the towers take it; opened once."""
        if split not in self._opened:
            spec, cleaning = self.backbone.preprocess, self.backbone.text.clean
            self._opened[split] = open_pairs(self.recipe.data, split, spec, self.cache, cleaning)
        return self._opened[split]

    @cached_property
    def digest(self) -> str:
        """What is trained on, see `models.training.sources.data_digest`."""
        return data_digest(self.recipe.data, self.pairs("train"))

    @cached_property
    def judging(self) -> EditMaker | None:
        """What edits the captions of other splits, to judge the module by: as in training, but once each and by word.

        In training a text may have many errors, because more is learnt from it, and more of a kind that is learnt slowly; a query
        that is proofread has one or none, in any of its words. None without proofreading.
        """
        edits = self.recipe.edits
        if self._judge is not None:
            return self._judge
        if edits is None or not (edits.again or edits.kinds):
            return self.batches.edits
        once = edits.model_copy(update={"again": 0.0, "kinds": {}})
        return _edits(self.recipe.model_copy(update={"edits": once}), self.backbone.tokenizer, self.pairs("train"))[0]

    def for_stage(self, recipe: Recipe, told: Told | None = None) -> "Materials":
        """The same data and towers, for another stage of the run: its seed and its edits to train on, the same to judge by.

        Args:
            recipe: the stage's.
            told: as in `gather`.

        Raises:
            MaskedLmInvalid: the language model of its edits cannot be loaded.
        """
        pairs = self.pairs("train")
        edits, _ = _edits(_with_edits(recipe, pairs, self.cache, told), self.backbone.tokenizer, pairs)
        batches = replace(self.batches, seed=recipe.seed, edits=edits, tags=None)
        return replace(self, batches=batches, lessons=None, _judge=self.judging)


def gather(recipe: Recipe, cache: Path, told: Told | None = None, *, ahead: Sequence[Split] = ()) -> Materials:
    """Open the training data, build or load the towers, learn the tokenizer, and make the source of edits.

    Args:
        recipe: the run.
        cache: folder of what is kept between runs.
        told: hears what is being made beforehand, how many are done and of how many: steps of a language model, edits to keep.
        ahead: further splits to open now, before anything that takes long, so that one that is missing is told now.

    Raises:
        RecipeError: data or a model are missing, a scene's caption is longer than the context, or the towers leave out
            patches that something reads.
        MaskedLmInvalid: the language model of the edits cannot be loaded.

    Warns:
        CaptionsCut: captions of pictures are longer than the context.
        PicturesDamaged: pictures cannot be read.
    """
    backbone = None if recipe.model is None else named(recipe.model, recipe.seed)
    preprocess = own_preprocess(recipe) if backbone is None else backbone.preprocess
    # towers of one's own are fed as CLIP's: lower case
    cleaning = "lower" if backbone is None else backbone.text.clean
    opened = {split: open_pairs(recipe.data, split, preprocess, cache, cleaning) for split in ("train", *ahead)}
    pairs = opened["train"]
    texts = [text for captions in pairs.captions for text in captions]
    backbone = backbone or own(recipe, texts)
    _check_patches(recipe, backbone)
    _check_lengths(recipe, backbone, texts)
    recipe = _with_edits(recipe, pairs, cache, told)
    edits, vocabulary = _edits(recipe, backbone.tokenizer, pairs)
    moving = any_moment if isinstance(recipe.data, MOVING) else None
    view = moving if recipe.augment is None else partial(draw_view, recipe.augment)
    try:
        batches = Batches(pairs, backbone.tokenizer, recipe.optim.batch, recipe.seed, edits, view, _tags(recipe, texts))
    except ValueError as error:
        raise RecipeError(f"optim.batch: {error}") from error
    lessons = None if recipe.teacher is None else _lessons(recipe, recipe.teacher, pairs, backbone, cache)
    return Materials(recipe, cache, backbone, batches, vocabulary, lessons, opened)


def _lessons(recipe: Recipe, part: TeacherPart, pairs: Pairs, backbone: Backbone, cache: Path) -> Lessons:
    # building a model draws weights, and the run's chance is not to depend on its teacher
    with torch.random.fork_rng():
        teacher = open_teacher(part, device_of(recipe.optim))
    seen = pairs
    # a scene of another size is another scene, so the teacher scales what the towers see; pictures it gets in its own way
    if isinstance(recipe.data, PicturesPart):
        # captions are cleaned as the student reads them, and the teacher cleans them further
        seen = open_pairs(recipe.data, "train", teacher.preprocess, cache, backbone.text.clean)
    if list(seen.captions) != list(pairs.captions):
        raise RecipeError(
            "teacher: at its size other pictures can be read than at the towers': remove those that are damaged"
        )
    source = recipe.data.said({"val", "test", "cache", "workers"}) + data_digest(recipe.data, seen)
    if seen is pairs:
        source += backbone.preprocess.model_dump_json()
    folder = cache / lessons_name(teacher, source)
    ask(teacher, seen, folder)
    return Lessons(folder, pairs.captions, part)


def _with_edits(recipe: Recipe, pairs: Pairs, cache: Path, told: Told | None) -> Recipe:
    """The same recipe, after all that its edits need beforehand was made, unless it is there."""
    if recipe.edits is None:
        return recipe
    part = with_language_model(recipe.edits, pairs.captions, cache, told)
    for done, of in fill_cache(part, pairs.captions, recipe.seed, device_of(recipe.optim)):
        if told is not None:
            told("captions edited", done, of)
    return recipe.model_copy(update={"edits": part})


def _edits(recipe: Recipe, tokenizer: Tokenizer, pairs: Pairs) -> tuple[EditMaker | None, Vocabulary | None]:
    part = recipe.proofreading
    if part is None:
        return None, None
    vocabulary = Vocabulary.of((text for texts in pairs.captions for text in texts), part.vocabulary)
    editor = make_editor(recipe.edits, pairs.captions)
    per_caption = 1 if recipe.edits is None else recipe.edits.per_caption
    return EditMaker(editor, tokenizer, vocabulary, part.unedited, per_caption), vocabulary


def _tags(recipe: Recipe, texts: Sequence[str]) -> Vocabulary | None:
    return None if recipe.tagging is None else Vocabulary.of(texts, recipe.tagging.vocabulary)


def _check_patches(recipe: Recipe, backbone: Backbone) -> None:
    visual = backbone.towers.visual
    # open_clip's name, and timm's
    droppers = getattr(visual, "patch_dropout", None), getattr(getattr(visual, "trunk", None), "patch_drop", None)
    dropped = max(getattr(each, "prob", 0.0) for each in droppers)
    readers = [name for name in ("proofreading", "late", "tagging") if getattr(recipe, name) is not None]
    if dropped and readers:
        raise RecipeError(
            f"{readers[0]}: it reads all patches, and {backbone.architecture} leaves out {dropped:.0%} of them in training: "
            'give model.open_clip a configuration file whose vision_cfg has no "patch_dropout", or leave this part out'
        )


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
    if isinstance(recipe.data, RenderedPart):
        whole = Tokenizer.from_str(backbone.tokenizer_json.decode())
        longest = max(len(encoding.ids) for encoding in whole.encode_batch_fast(cut))
        raise RecipeError(
            f"text.context_length {backbone.text.context_length} is less than the longest caption's {longest} tokens: "
            "raise it, or raise text.vocabulary so that words have fewer tokens"
        )
    share = len(cut) / len(texts)
    said = f"{len(cut):,} of {len(texts):,} captions ({share:.1%}) are longer than the context, and lose their end"
    warnings.warn(said, CaptionsCut, stacklevel=3)
