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
