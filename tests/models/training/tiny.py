"""Transformer towers of a few thousand weights, and pairs for them: without batch normalisation, so that parts of a batch
and the whole are the same to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.manifest import TextSpec
from models.negatives.editor import Caption
from models.open_clip_import import import_open_clip
from models.training.batches import Batches
from models.training.editing import EditMaker, Vocabulary
from models.training.loop import Trainer
from models.training.objective import Objective, with_late, with_proofreading, with_tagging
from models.training.pairs import caption_of
from models.training.ranks import ALONE, Ranks
from models.training.recipe import (
    ContrastivePart,
    LatePart,
    LoraPart,
    ProofreadingPart,
    Recipe,
    SchedulePart,
    TaggingPart,
)
from models.training.tokenizer import END, train_tokenizer
from models.training.views import View
from tests.models.training.edits import ColourEditor
from tests.models.training.small import TEXT

SIZE = 32
COLOURS = ("red", "green", "blue", "pink", "yellow", "orange")
CAPTIONS = [(f"a {colour} {shape}", f"{shape} in {colour}") for colour in COLOURS for shape in ("circle", "star")]
TOKENIZER = train_tokenizer([text for texts in CAPTIONS for text in texts] * 20, 320)
SPEC = TextSpec(context_length=16, causal=True, eot_id=TOKENIZER.token_to_id(END))
PART = ProofreadingPart(width=16, heads=2, levels=2, vocabulary=20)


class TinyPairs:
    """Twelve pictures of noise with two captions each."""

    captions: Sequence[tuple[str, ...]] = CAPTIONS

    def __len__(self) -> int:
        return len(self.captions)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """Noise, the same for a row each time."""
        return np.stack([np.random.default_rng(row).integers(0, 256, (SIZE, SIZE, 3), np.uint8) for row in rows])

    def caption(self, row: int, choice: int) -> Caption:
        """One of two."""
        return caption_of(self.captions[row], choice)


def tiny_towers(*, drop: float = 0.0) -> nn.Module:
    """An open_clip ViT of two blocks beside a text transformer of one; *drop* of the patches are left out in training."""
    import_open_clip()
    from open_clip.model import CLIP

    torch.manual_seed(0)
    vision = {"image_size": SIZE, "patch_size": 8, "layers": 2, "width": 16, "head_width": 8, "patch_dropout": drop}
    text = {"context_length": 16, "vocab_size": TOKENIZER.get_vocab_size(), "width": 16, "heads": 2, "layers": 1}
    towers = CLIP(embed_dim=8, vision_cfg=vision, text_cfg=text)
    towers.visual.image_mean, towers.visual.image_std = (0.5,) * 3, (0.25,) * 3
    return towers


def tiny_objective(*, plain: bool = False, drop: float = 0.0) -> Objective:
    """Tiny towers, and unless *plain* the module beside them."""
    towers = tiny_towers(drop=drop)
    return Objective(towers) if plain else with_proofreading(towers, PART, SIZE, 20)


def tiny_batches(size: int = 8, *, plain: bool = False, per_caption: int = 1, tags: bool = False) -> Batches:
    """Batches of the twelve pictures, with *tags* also which words their captions have."""
    vocabulary = Vocabulary.of([text for texts in CAPTIONS for text in texts], 20)
    edits = None if plain else EditMaker(ColourEditor(COLOURS), TOKENIZER, vocabulary, 0.3, per_caption)
    return Batches(TinyPairs(), TOKENIZER, size, seed=3, edits=edits, tags=vocabulary if tags else None)


def tiny_recipe(
    *,
    plain: bool = False,
    lora: LoraPart | None = None,
    schedules: dict[str, SchedulePart] | None = None,
    contrastive: ContrastivePart | None = None,
    late: LatePart | None = None,
    tagging: TaggingPart | None = None,
    **optim: Any,  # noqa: ANN401 # fields of the part, of any type
) -> Recipe:
    """Six steps of eight pairs; *optim* are fields of that part."""
    import tomllib

    fields = tomllib.loads(TEXT)
    fields["optim"] |= {"steps": 6, "learning_rate": 1e-3, "device": "cpu", **optim}
    made = Recipe.model_validate(fields)
    part = None if plain else PART
    beside = {"lora": lora, "schedules": schedules or {}, "contrastive": contrastive or ContrastivePart()}
    beside |= {"late": late, "tagging": tagging}
    return made.model_copy(update={"proofreading": part, **beside})


def tiny_trainer(
    recipe: Recipe, *, ranks: Ranks = ALONE, drop: float = 0.0, per_caption: int = 1, objective: Objective | None = None
) -> Trainer:
    """Ready to run, on one thread."""
    torch.set_num_threads(1)
    plain = recipe.proofreading is None
    given = objective or tiny_objective(plain=plain, drop=drop)
    if recipe.late is not None:
        with_late(given, recipe.late, SIZE, SPEC)
    batches = tiny_batches(recipe.optim.batch, plain=plain, per_caption=per_caption, tags=recipe.tagging is not None)
    if recipe.tagging is not None and batches.tags is not None:
        with_tagging(given, recipe.tagging, SIZE, len(batches.tags))
    return Trainer(recipe, given, batches, ranks)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """A copy of all that is trained."""
    return {name: value.clone() for name, value in trainer.objective.state_dict().items()}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Greatest difference of two weights of one name."""
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


def save_weights(trainer: Trainer, path: Path) -> None:
    """For another process to read."""
    torch.save(weights(trainer), path)
