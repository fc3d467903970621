"""What a proofreader says of a text beside pictures."""

from typing import Self

from fastapi.openapi.models import Example
from pydantic import BaseModel, Field, model_validator

from service.schemas.asked import Asked
from service.schemas.parts import ItemId

# as many as a search may re-rank
MAX_IMAGES = 100

EXAMPLES: dict[str, Example] = {
    "items": {
        "summary": "items of a collection",
        "value": {"text": "a red circle left of a blue star", "collection": "scenes", "ids": ["test-0-000001"]},
    },
    "images": {
        "summary": "pictures in base64",
        "value": {"text": "a red circle", "model": "scenes-s", "images": ["iVBORw0KGgo…"]},
    },
}


class Correction(BaseModel):
    """A word that the picture would bear out."""

    word: str = Field(examples=["green"])
    probability: float = Field(description="In [0, 1].", examples=[0.93])


class WordView(BaseModel):
    """One word of the text, and what a picture makes of it."""

    text: str = Field(examples=["red"])
    start: int = Field(description="Its first character in the text as the model reads it.", examples=[2])
    end: int = Field(description="Behind its last one.", examples=[5])
    support: float | None = Field(
        description="Probability that it is right, in [0, 1]; null when it stands beyond what the model reads.",
        examples=[0.04],
    )
    contradicted: bool = Field(description="Whether 1 - `support` is above the `threshold`.", examples=[True])
    corrections: list[Correction] = Field(description="Of a contradicted word, likeliest first; at most three.")


class ProofView(BaseModel):
    """A text beside one picture."""

    index: int = Field(description="Place of the picture in the request, from 0.", examples=[0])
    id: str | None = Field(default=None, description="Of the item.", examples=["test-0-000001"])
    score: float = Field(
        description="Sum of the logarithms of the words' support, at most 0: close to it when nothing is contradicted, never quite.",
        examples=[-3.2],
    )
    threshold: float = Field(
        description="The probability of being wrong above which a word counts as contradicted: the model's, chosen on held-out "
        "words, where calling words wrong hits best.",
        examples=[0.3244],
    )
    words: list[WordView]


class ProofreadRequest(Asked):
    """A text, and either items of a collection or pictures with the model that shall read them."""

    text: str = Field(min_length=1, pattern=r"\S", description="A sentence.")
    collection: str | None = Field(default=None, max_length=64, description="Whose items `ids` are.")
    ids: list[ItemId] | None = Field(default=None, min_length=1, max_length=MAX_IMAGES, description="Items.")
    model: str | None = Field(default=None, description="A loaded model that proofreads: GET /v1/models lists them.")
    images: list[str] | None = Field(
        default=None, min_length=1, max_length=MAX_IMAGES, description="Image files, base64."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = {name for name in ("collection", "ids", "model", "images") if getattr(self, name) is not None}
        if given not in ({"collection", "ids"}, {"model", "images"}):
            raise ValueError(
                f"give collection and ids, or model and images; got {', '.join(sorted(given)) or 'neither'}"
            )
        return self


class ProofreadAnswer(BaseModel):
    """One proof for each picture, in the order of the request."""

    text: str = Field(
        description="The text as the model reads it; words are counted in it.",
        examples=["a red circle left of a blue star"],
    )
    model: str = Field(examples=["scenes-s"])
    collection: str | None = Field(default=None, examples=["scenes"])
    proofs: list[ProofView]
    took_ms: dict[str, float] = Field(
        description="Milliseconds by stage.", examples=[{"lookup": 1.1, "proofread": 6.0, "total": 7.4}]
    )
