"""Embeddings in the shape of OpenAI's API."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.schemas.asked import Asked

MAX_INPUTS = 256


class ImageInput(Asked):
    """An image to embed."""

    image: str = Field(min_length=1, description="An image file, base64.")


TextInput = Annotated[str, Field(min_length=1, pattern=r"\S")]
OneInput = TextInput | ImageInput


class EmbeddingsRequest(Asked):
    """Texts and images to embed."""

    model: str = Field(
        description="A loaded model's name, or its digest where two have one name; GET /v1/collections shows both.",
        examples=["scenes-s"],
    )
    input: OneInput | Annotated[list[OneInput], Field(min_length=1, max_length=MAX_INPUTS)] = Field(
        examples=[["a red circle", "a blue star"]]
    )
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="base64: little-endian float32, as OpenAI does."
    )
    user: str | None = Field(default=None, description="Taken for compatibility; not stored.")


class Embedding(BaseModel):
    """One vector, of unit norm."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens that were read; images count none."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """The vectors, in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage
    truncated: list[bool] = Field(description="For each input: whether its text was cut to the model's context.")
