"""Embeddings in the shape of OpenAI's API."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, PlainValidator, TypeAdapter

from service.errors import AsksTooMuch
from service.schemas.asked import Asked

# Whatever VILEM_MAX_INPUTS allows: of more the checks would keep the event loop, and their vectors the memory.
MAX_INPUTS = 2**16


class ImageInput(Asked):
    """An image to embed."""

    image: str = Field(min_length=1, description="An image file, base64.")


TextInput = Annotated[str, Field(min_length=1, pattern=r"\S")]
_TEXT: TypeAdapter[str] = TypeAdapter(TextInput)


def _one(given: object) -> str | ImageInput:
    # what it is decides what it is checked as: a union would tell the faults of every kind, under names of its own
    if isinstance(given, str):
        return _TEXT.validate_python(given)
    if isinstance(given, dict | ImageInput):
        return ImageInput.model_validate(given)
    raise ValueError('send a text, or an image as {"image": base64}; token ids are not read')


OneInput = Annotated[str | ImageInput, PlainValidator(_one, json_schema_input_type=TextInput | ImageInput)]
# one that is at fault is enough to tell: each would be an error of its own
Inputs = Annotated[list[OneInput], Field(min_length=1, fail_fast=True)]
_INPUTS: TypeAdapter[list[str | ImageInput]] = TypeAdapter(Inputs)


def _one_or_several(given: object) -> str | ImageInput | list[str | ImageInput]:
    """What the field `input` may be.

    Raises:
        AsksTooMuch: they are more than any request may have, whatever the setting: it is told as what the setting refuses.
    """
    if not isinstance(given, list):
        return _one(given)
    if len(given) > MAX_INPUTS:
        raise AsksTooMuch(
            f"the request has {len(given):,} inputs, and none may have more than {MAX_INPUTS:,}: send it in several requests"
        )
    return _INPUTS.validate_python(given)


class EmbeddingsRequest(Asked):
    """Texts and images to embed."""

    model: str = Field(
        description="A loaded model's name, or its digest where two have one name; GET /v1/collections shows both.",
        examples=["scenes-s"],
    )
    input: Annotated[
        str | ImageInput | list[str | ImageInput],
        PlainValidator(_one_or_several, json_schema_input_type=OneInput | Inputs),
    ] = Field(
        description="One or several; how many at most, VILEM_MAX_INPUTS says.",
        examples=[["a red circle", "a blue star"]],
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
