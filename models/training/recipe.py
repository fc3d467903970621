"""A recipe: everything that decides what a training run makes, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import ModelError


class RecipeError(ModelError):
    """A recipe that cannot be run."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataPart(_Part):
    """Rendered scenes: how many of each split, by which seed."""

    train: int = Field(gt=0)
    val: int = Field(gt=0)
    test: int = Field(gt=0)
    seed: int = 0
    workers: int = Field(default=0, ge=0, description="processes that make batches ahead; 0 = the training process")


class ImageTower(_Part):
    """open_clip's ModifiedResNet: stages, width, side of the input in pixels."""

    layers: tuple[int, int, int, int]
    width: int = Field(gt=0)
    size: int = Field(gt=0, multiple_of=32)


class TextTower(_Part):
    """open_clip's causal text transformer, on a tokenizer trained on the captions."""

    context_length: int = Field(gt=2)
    vocabulary: int = Field(gt=258, description="byte-level BPE entries, the two markers included")
    width: int = Field(gt=0)
    heads: int = Field(gt=0)
    layers: int = Field(gt=0)


class OptimPart(_Part):
    """AdamW with a linear warm-up and a cosine to zero."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup: float = Field(ge=0, le=1, description="share of the steps")
    precision: Literal["fp32", "bf16"] = "fp32"


class ProofreadingPart(_Part):
    """ViLEM's proxy task: its module, its losses, and the edits it is trained on. Without this part, none of it."""

    width: int = Field(default=256, gt=0, description="of the interaction module")
    heads: int = Field(default=4, gt=0)
    levels: int = Field(
        default=3, gt=0, description="blocks of the image tower that are read; one block of the module each"
    )
    side: int = Field(default=7, gt=0, description="a level is averaged to at most so many patches a side")
    vocabulary: int = Field(default=10_000, gt=0, description="words that correction can answer")
    detection: float = Field(default=1.0, ge=0, description="weight of the loss")
    correction: float = Field(default=1.0, ge=0, description="weight of the loss")
    negatives: bool = Field(
        default=True, description="edited texts are negatives of their images in the contrastive loss"
    )
    local: bool = Field(default=True, description="words meet patches")
    whole: bool = Field(default=True, description="words meet the image's embedding")
    warmup: float = Field(
        default=0.1, ge=0, le=1, description="share of the steps over which detection and correction begin"
    )
    unedited: float = Field(default=0.33, ge=0, lt=1, description="share of texts that stay as they are")
    rate: float = Field(default=1.0, gt=0, description="the module's learning rate, as a multiple of the towers'")


class Recipe(_Part):
    """The whole file."""

    name: str
    seed: int = 0
    dim: int = Field(gt=0, description="embedding dimension d")
    threads: int = Field(default=0, ge=0, description="0 = one for each core")
    data: DataPart
    image: ImageTower
    text: TextTower
    optim: OptimPart
    proofreading: ProofreadingPart | None = None


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
        first = error.errors()[0]
        raise RecipeError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
