"""A recipe: everything that decides what a training run makes, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from models.errors import ModelError
from models.training.faults import faults
from models.training.parts import (
    MOVING,
    AugmentPart,
    DataPart,
    EditsPart,
    ImageTower,
    ModelPart,
    Part,
    TeacherPart,
    TextTower,
    check_multiple,
    whole,
)

ScheduledLoss = Literal["contrastive", "detection", "correction", "preference", "late", "tagging", "affinity"]
# by the part of the recipe that they come with
_LOSSES_OF = {
    "proofreading": {"detection", "correction", "preference"},
    "late": {"late"},
    "tagging": {"tagging"},
    "teacher": {"affinity"},
}


class RecipeError(ModelError):
    """A recipe that cannot be run."""


class OptimPart(Part):
    """AdamW with a linear warm-up and a cosine to zero."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup: float = Field(ge=0, le=1, description="share of the steps")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto = a GPU where there is one")
    image_rate: float = Field(default=1.0, ge=0, description="of the image tower, times the rate; 0 locks it (LiT)")
    text_rate: float = Field(default=1.0, ge=0, description="of the text tower, times the rate; 0 locks it")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="of the towers' rates, for each layer that lies above a weight; 1 = none"
    )
    clip: float = Field(default=1.0, gt=0, description="greatest norm of the gradient")
    chunk: int = Field(default=0, ge=0, description="pairs that a process encodes at once; 0 = all of its own")
    checkpointing: bool = Field(default=False, description="compute activations again instead of keeping them")
    compile: bool = Field(default=False, description="let torch compile the blocks of towers and module")
    ema: float = Field(default=0.0, ge=0, lt=1, description="decay of the average of the weights; 0 = none is kept")


class ContrastivePart(Part):
    """What the contrastive loss compares, and how."""

    loss: Literal["softmax", "sigmoid"] = Field(default="softmax", description="CLIP's, or SigLIP's")
    queue: int = Field(default=0, ge=0, description="pairs of earlier steps that are negatives too; needs optim.ema")
    soft: float = Field(
        default=0.0, ge=0, lt=1, description="share of the average's choice in the targets; needs optim.ema"
    )
    noise: int | None = Field(default=None, ge=1, description="weigh pairs by their losses after so many epochs")

    @model_validator(mode="after")
    def _softmax(self) -> Self:
        if self.loss == "sigmoid" and (self.queue or self.soft):
            raise ValueError("queue and soft targets are the softmax loss's: leave them out, or take softmax")
        return self


class LatePart(Part):
    """Token-wise late interaction beside the contrastive loss (FILIP). Without this part there is none."""

    weight: float = Field(default=0.5, gt=0, description="of the loss beside the contrastive one")
    width: int = Field(default=64, gt=0, description="of the space that tokens and patches are compared in")
    side: int = Field(default=7, gt=0, description="the last level is averaged to at most so many patches a side")
    rate: float = Field(default=1.0, gt=0, description="the projections' learning rate, as a multiple of the towers'")


class TaggingPart(Part):
    """The image tower tells which words the captions have, see `models.training.tagging`. Without this part it does not."""

    weight: float = Field(default=1.0, gt=0, description="of the loss beside the contrastive one")
    vocabulary: int = Field(default=2000, gt=0, description="words that are told: the captions' most frequent ones")


class LoraPart(Part):
    """Low-rank changes of frozen towers instead of training all of their weights (LoRA, Hu et al. 2022)."""

    rank: int = Field(gt=0)
    alpha: float = Field(default=16.0, gt=0, description="the changes are multiplied by alpha / rank")
    image: bool = Field(default=True, description="of the image tower; otherwise it is trained by image_rate")
    text: bool = Field(default=True, description="of the text tower; otherwise it is trained by text_rate")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.image and not self.text:
            raise ValueError("image, text: without both nothing is changed: leave one of them true, or lora out")
        return self


class SchedulePart(Part):
    """What the weight of a loss is multiplied by: from *first* to *last* between two shares of the steps."""

    shape: Literal["constant", "linear", "cosine"] = "linear"
    first: float = Field(default=1.0, ge=0)
    last: float = Field(default=1.0, ge=0)
    begin: float = Field(default=0.0, ge=0, le=1)
    end: float = Field(default=1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.shape == "constant" and self.first != self.last:
            raise ValueError("a constant schedule has one value: give first and last the same, or take another shape")
        if self.begin > self.end:
            raise ValueError("begin is after end")
        if self.begin == 1 and self.first != self.last:
            raise ValueError("begin is 1, when the steps are over: last never comes; let it begin sooner")
        return self

    @property
    def is_nothing(self) -> bool:
        """Whether it takes its loss away for good."""
        return self.first == self.last == 0


class AlonePart(Part):
    """A second stage: the towers are done and stay as they are, and the module learns on alone, deeper."""

    steps: int = Field(gt=0, description="of this stage; pairs in a step as before")
    learning_rate: float = Field(gt=0, description="of the module; warm-up and cosine are those of optim")
    blocks: int = Field(gt=0, description="of the module from now on; those that it has not yet begin without effect")
    edits: EditsPart | None = Field(default=None, description="in place of the recipe's, to train on")


class ProofreadingPart(Part):
    """ViLEM's proxy task: its module, its losses, and the edits it is trained on. Without this part, none of it."""

    width: int = Field(default=256, gt=0, description="of the interaction module")
    heads: int = Field(default=4, gt=0)
    blocks: int = Field(default=2, gt=0, description="of the interaction module; each looks at all levels")
    levels: int = Field(default=3, gt=0, description="blocks or stages of the image tower that are read")
    side: int = Field(default=7, gt=0, description="a level is averaged to at most so many patches a side")
    vocabulary: int = Field(default=10_000, gt=0, description="words that correction can answer")
    detection: float = Field(default=1.0, ge=0, description="weight of the loss")
    correction: float = Field(default=1.0, ge=0, description="weight of the loss")
    negatives: bool = Field(
        default=True, description="edited texts are negatives of their images in the contrastive loss"
    )
    preference: float = Field(
        default=0.0, ge=0, description="weight of: an image prefers its caption to the edited one"
    )
    local: bool = Field(default=True, description="words meet patches")
    whole: bool = Field(default=True, description="words meet the image's embedding")
    warmup: float = Field(
        default=0.1, ge=0, le=1, description="share of the steps over which detection and correction begin"
    )
    unedited: float = Field(default=0.33, ge=0, lt=1, description="share of texts that stay as they are")
    rate: float = Field(default=1.0, gt=0, description="the module's learning rate, as a multiple of the towers'")
    alone: AlonePart | None = Field(default=None, description="what the module learns when the towers are done")

    @model_validator(mode="after")
    def _looks(self) -> Self:
        check_multiple(self.width, self.heads, "width, heads")
        if not self.local and not self.whole:
            raise ValueError("local, whole: without both the module never sees the image: leave one of them true")
        if self.alone is not None and self.alone.blocks < self.blocks:
            raise ValueError(
                f"alone.blocks: {self.alone.blocks} is less than the {self.blocks} that the module has by then"
            )
        return self

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if self.detection or self.correction:
            return self
        if self.alone is not None:
            raise ValueError("alone: it learns detection and correction, and both have weight 0: leave alone out")
        if not self.preference and not self.negatives:
            raise ValueError(
                "detection, correction, preference: all have weight 0 and negatives are off, so nothing is learnt of "
                "edits: give one of them a weight, set negatives = true, or leave proofreading out"
            )
        return self


class Recipe(Part):
    """The whole file."""

    name: str
    seed: int = 0
    dim: int | None = Field(default=None, gt=0, description="embedding dimension d")
    threads: int = Field(default=0, ge=0, description="0 = one for each core")
    data: DataPart
    augment: AugmentPart | None = None
    image: ImageTower | None = None
    text: TextTower | None = None
    model: ModelPart | None = None
    optim: OptimPart
    contrastive: ContrastivePart = ContrastivePart()
    late: LatePart | None = None
    tagging: TaggingPart | None = None
    teacher: TeacherPart | None = None
    proofreading: ProofreadingPart | None = None
    edits: EditsPart | None = None
    lora: LoraPart | None = None
    schedules: dict[ScheduledLoss, SchedulePart] = Field(default_factory=dict, description="by name of the loss")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        whole(vars(self))
        for part, losses in _LOSSES_OF.items():
            idle = sorted(self.schedules.keys() & losses) if getattr(self, part) is None else []
            if idle:
                raise ValueError(f"schedules: {', '.join(idle)} belong to {part}: add that part, or leave them out")
        self._check_weights()
        self._check_rates()
        if self.edits is not None and self.proofreading is None:
            raise ValueError("edits: captions are edited for proofreading: add that part, or leave edits out")
        if self.teacher is not None and isinstance(self.data, MOVING):
            raise ValueError("teacher: it sees pictures, and data are clips: leave it out")
        return self

    def _check_weights(self) -> None:
        part = self.proofreading
        idle = [name for name in sorted(self.schedules) if part is not None and getattr(part, name, 1) == 0]
        if idle:
            raise ValueError(
                f"schedules: the weight of {', '.join(idle)} in proofreading is 0, and a schedule multiplies it: "
                "give it a weight there, or leave the schedule out"
            )
        others = (self.late, self.tagging, self.teacher, self.proofreading)
        schedule = self.schedules.get("contrastive")
        if schedule is not None and schedule.is_nothing and not any(others):
            raise ValueError(
                "schedules.contrastive: it is 0 throughout, and there is no other loss: nothing would be learnt"
            )

    def _check_rates(self) -> None:
        if self.proofreading is None and not self.optim.image_rate and not self.optim.text_rate:
            raise ValueError(
                "optim.image_rate, optim.text_rate: both are 0, so both towers are locked, and nothing is learnt that is "
                "kept: give one of them a rate, or add proofreading"
            )

        if self.tagging is not None and self.lora is None and self.optim.image_rate == 0:
            raise ValueError(
                "tagging: it teaches the image tower, which optim.image_rate = 0 locks: give that a rate, or leave tagging out"
            )

    def first_stage(self) -> "Recipe":
        """The same without a second stage, which changes nothing of the first: its towers are the same run."""
        if self.proofreading is None or self.proofreading.alone is None:
            return self
        return self.model_copy(update={"proofreading": self.proofreading.model_copy(update={"alone": None})})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: no such file, not TOML, or a field that is missing, unknown or out of range, which is named.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"no recipe at {path} ({error.strerror}): models/recipes/ holds some") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise RecipeError(f"{path}: {'; '.join(faults(Recipe, error))}") from error
