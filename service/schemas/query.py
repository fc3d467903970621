"""A search request."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

Include = Literal["metadata", "captions"]
Rerank = Literal["proofread"]
# how many hits are re-ranked
CANDIDATES = 20
MAX_CANDIDATES = 100
# JSON's true is no number, nor is "5": whoever sends them means something else
StrictInt = Annotated[int, Field(strict=True)]
StrictBool = Annotated[bool, Field(strict=True)]
FiniteFloat = Annotated[float, Field(strict=True, allow_inf_nan=False)]

EXAMPLES: dict[str, Example] = {
    "text": {"summary": "a sentence", "value": {"query": {"text": "a red circle left of a blue star"}, "limit": 5}},
    "item": {"summary": "more like this", "value": {"query": {"id": "test-0-000001"}, "limit": 5}},
    "captions": {
        "summary": "captions of a picture",
        "value": {"query": {"id": "test-0-000001"}, "target": "texts", "limit": 5},
    },
    "proofread": {
        "summary": "a sentence, word by word",
        "value": {
            "query": {"text": "a red circle left of a blue star"},
            "limit": 5,
            "rerank": "proofread",
            "candidates": 20,
            "explain": True,
        },
    },
    "proofread captions": {
        "summary": "captions of a picture, word by word",
        "value": {"query": {"id": "test-0-000001"}, "target": "texts", "limit": 5, "rerank": "proofread"},
    },
}


class Query(BaseModel):
    """What to search with: exactly one of the four."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = Field(default=None, min_length=1, pattern=r"\S", description="A sentence.")
    image: str | None = Field(default=None, min_length=1, description="An image file, base64.")
    id: str | None = Field(default=None, min_length=1, max_length=512, description="An item: finds what is like it.")
    vector: list[FiniteFloat] | None = Field(
        default=None, min_length=1, max_length=8192, description="An embedding of the collection's model."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("text", "image", "id", "vector") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of text, image, id and vector; got {', '.join(given) or 'none'}")
        return self


class Hybrid(BaseModel):
    """A search by words (BM25 over captions) beside the one by vector; the two rankings are fused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = Field(
        default=None, min_length=1, pattern=r"\S", description="Whose words; needed where the query is no text."
    )
    operator: Literal["or", "and", "phrase"] = Field(
        default="or", description="One of the words, all of them in one caption, or all in their order."
    )
    method: Literal["rrf", "weighted"] = Field(
        default="weighted", description="Fuse by scores, normalised, or by ranks (reciprocal rank fusion)."
    )
    weight: FiniteFloat = Field(default=0.2, ge=0, le=1, description="Of the words; the vector has the rest.")
    depth: StrictInt = Field(
        default=200,
        ge=1,
        le=2000,
        description="Hits that each of the two rankings gives; the fused one ends with them.",
    )


class SearchOptions(BaseModel):
    """Which hits, and what of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Literal["images", "texts", "moments"] = Field(
        default="images", description="Find items (pictures and videos), captions of items, or moments of videos."
    )
    limit: StrictInt = Field(default=10, ge=1, le=100, description="Hits in the answer.")
    offset: StrictInt = Field(default=0, ge=0, le=1000, description="Hits to skip.")
    include: tuple[Include, ...] = Field(
        default=("metadata", "captions"), max_length=2, description="Parts of an item to send along."
    )
    filter: JsonValue = Field(
        default=None,
        description="Which items may be found (docs/filters.md): a condition on a field, or conditions in and, or, not.",
        examples=[{"field": "price", "op": "lt", "value": 50}],
    )
    hybrid: Hybrid | None = Field(default=None, description="Search by words too.")
    collapse: Literal["duplicates"] | None = Field(
        default=None, description="Of near-duplicates, which `vilem index duplicates` found, show the best alone."
    )
    cursor: str | None = Field(
        default=None,
        max_length=600,
        description="`*` begins pages that neither repeat nor skip a hit while others write; then the `next` of the last answer.",
    )
    facets: tuple[Annotated[str, Field(max_length=200)], ...] = Field(
        default=(), max_length=32, description="Fields to count values of, over all items that match the filter."
    )
    facet_limit: StrictInt = Field(default=10, ge=1, le=1000, description="Values, or ranges, of each facet.")

    @property
    def is_ranked(self) -> bool:
        """Whether a ranking must be made of more than the nearest vectors."""
        return self.hybrid is not None or self.collapse is not None or self.cursor is not None


@dataclass(frozen=True)
class Reranking:
    """How the best hits are ordered anew: how many, and whether each tells of the text's words."""

    candidates: int
    explain: bool


def fault_of_rerank(idle: Collection[str], *, able: bool) -> str | None:
    """What is wrong with how a search is to be re-ranked, and what to do; None when all is well.

    Args:
        idle: options of a rerank that none was asked for.
        able: whether such a search can be re-ranked.
    """
    if idle:
        return f"{' and '.join(sorted(idle))} belong to a rerank: add rerank, or leave them out"
    if not able:
        return (
            "only pictures found by a text, and captions found by a picture, can be re-ranked: ask with query.text and "
            "target images, or with query.image or query.id and target texts"
        )
    return None


class SearchRequest(SearchOptions):
    """The body of a search."""

    query: Query
    rerank: Rerank | None = Field(
        default=None,
        description="Order the best pictures of a text anew by what they say of its words, or the best captions of a picture "
        "by what it says of theirs; `proofread` of a collection tells whether it can.",
    )
    candidates: StrictInt = Field(
        default=CANDIDATES,
        ge=1,
        le=MAX_CANDIDATES,
        description="How many of the best by vector are ordered anew; what is asked for behind them comes by vector.",
    )
    explain: StrictBool = Field(default=False, description="Tell of each re-ranked hit which words are contradicted.")

    @model_validator(mode="after")
    def _ranking_makes_sense(self) -> Self:
        if self.is_ranked and self.rerank is not None:
            raise ValueError("rerank orders the best by vector anew: leave hybrid, collapse and cursor out, or rerank")
        if self.is_ranked and self.target == "moments":
            raise ValueError("target: hybrid, collapse and cursor are for items and captions, not for moments")
        if self.collapse is not None and self.target != "images":
            raise ValueError("collapse: duplicates are items; captions have none")
        if self.hybrid is not None and self.hybrid.text is None and self.query.text is None:
            raise ValueError("hybrid.text: a query that is no text brings no words: say which to search for")
        if self.cursor is not None and self.offset:
            raise ValueError("offset: a cursor says where to go on from: leave one of the two out")
        return self

    @model_validator(mode="after")
    def _rerank_makes_sense(self) -> Self:
        idle = () if self.rerank else self.model_fields_set & {"candidates", "explain"}
        by_picture = self.query.image is not None or self.query.id is not None
        able = {"images": self.query.text is not None, "texts": by_picture, "moments": False}[self.target]
        if fault := fault_of_rerank(idle, able=able or self.rerank is None):
            raise ValueError(fault)
        return self

    def reranking(self) -> Reranking | None:
        """How to re-rank, if that was asked for."""
        return None if self.rerank is None else Reranking(self.candidates, self.explain)
