"""Items to write and to remove, and what became of each."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SkipValidation, model_validator

from service.problems import Problem
from service.schemas.asked import Asked
from service.schemas.generation import Generation
from service.schemas.numbers import FiniteFloat


class PutItem(Asked):
    """One item, whole: what it had before is replaced.

    With neither image nor vector its picture stays as it is, and only captions and metadata are written.
    """

    id: str = Field(description="Unique in the collection.", examples=["shop/4711.jpg"])
    image: str | None = Field(default=None, min_length=1, description="An image file, base64.")
    vector: list[FiniteFloat] | None = Field(
        default=None,
        min_length=1,
        max_length=8192,
        fail_fast=True,
        description="In place of an image: an embedding of the collection's model.",
    )
    captions: list[str] = Field(default=[], fail_fast=True, examples=[["a red shoe"]])
    metadata: dict[str, JsonValue] = Field(default={}, examples=[{"price": 49.5, "brand": "x"}])

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.image is not None and self.vector is not None:
            raise ValueError("give image or vector, not both")
        return self


# each is checked by itself, so that one that is wrong does not keep the others out
Unchecked = Annotated[PutItem, SkipValidation]


class PutItems(Asked):
    """Items to write."""

    items: list[Unchecked] = Field(min_length=1)


class RemoveItems(Asked):
    """Items to remove."""

    # as those that are put
    ids: list[Annotated[str, Field(min_length=1, max_length=512), SkipValidation]] = Field(min_length=1)


class WriteResult(BaseModel):
    """What became of one item."""

    model_config = ConfigDict(frozen=True)

    id: str | None = Field(description="Null where none could be read.")
    status: Literal["created", "updated", "removed", "absent", "rejected"]
    truncated: bool = Field(
        default=False, description="A caption was longer than the model reads; it was stored whole."
    )
    warnings: list[str] = Field(
        default=[],
        description="Metadata that were stored and do not fit their field, so that no filter or facet sees them.",
        examples=[
            ["metadata.price: 'cheap' is no value of price:float: it is stored, and filters and facets do not see it"]
        ],
    )
    problem: Problem | None = Field(default=None, description="Why it was rejected.")


class WriteAnswer(BaseModel):
    """What became of each item, in the order of the request."""

    model_config = ConfigDict(frozen=True)

    results: list[WriteResult]
    collection: str
    generation: Generation
    version: int = Field(
        description="Of the collection as searches of this process see it from now on, with what was written: they see this one, a "
        "later one of its generation, or another generation, which has it too; while the collection is `behind`, none of them."
    )
    took_ms: dict[str, float]
