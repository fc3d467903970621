"""Loaded models, in the shape of OpenAI's API."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.ability import Ability


class ModelView(BaseModel):
    """One loaded model."""

    model_config = ConfigDict(frozen=True)

    object: Literal["model"] = "model"
    id: str = Field(description="Its name.", examples=["scenes-s"])
    owned_by: Literal["vilem"] = "vilem"
    bundle_digest: str = Field(description="SHA-256 of its manifest, but for the threshold of its proofreader.")
    dim: int = Field(description="Dimension of its vectors.", examples=[128])
    collections: list[str] = Field(description="Served collections that it embedded.", examples=[["scenes"]])
    proofread: Ability = Field(description="Whether it can check a text, word by word, against pictures.")


class ModelList(BaseModel):
    """Every loaded model."""

    object: Literal["list"] = "list"
    data: list[ModelView]
