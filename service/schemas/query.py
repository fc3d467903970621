"""A search request."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from service.schemas.asked import Asked
from service.schemas.numbers import FiniteFloat, StrictBool, StrictInt
from service.schemas.parts import Query

Include = Literal["metadata", "captions"]
Rerank = Literal["proofread"]
# how many hits are re-ranked
CANDIDATES = 20
MAX_CANDIDATES = 100


class Hybrid(Asked):
    """A search by words (BM25 over captions and fields of text) beside the one by vector; the two rankings are fused."""

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
    fields: tuple[str, ...] = Field(
        default=("captions",),
        min_length=1,
        max_length=16,
        fail_fast=True,
        description="Where items' words are looked for: `captions`, and fields of strings that `vilem index fields NAME "
        "words FIELD` made ready. The best of them counts.",
    )


class Diversify(Asked):
    """Hits that do not show the same again: maximal marginal relevance (Carbonell and Goldstein, 1998)."""

    trade: FiniteFloat = Field(
        default=0.5, alias="lambda", ge=0, le=1, description="1 is the plain order, 0 looks at differences alone."
    )
    candidates: StrictInt = Field(
        default=50,
        ge=1,
        le=200,
        description="How many of the best are chosen from; what is behind them follows as it is.",
    )


class SearchOptions(Asked):
    """Which hits, and what of them."""

    target: Literal["images", "texts", "moments"] = Field(
        default="images", description="Find items (pictures and videos), captions of items, or moments of videos."
    )
    limit: StrictInt = Field(default=10, ge=1, le=100, description="Hits in the answer.")
    offset: StrictInt = Field(default=0, ge=0, le=1000, description="Hits to skip.")
    include: tuple[Include, ...] = Field(
        default=("metadata", "captions"), max_length=2, fail_fast=True, description="Parts of an item to send along."
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
    min_score: FiniteFloat | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Leave out hits of a lower `probability`; for a text among images, or an image among texts, and a "
        "calibrated model.",
    )
    diversify: Diversify | None = Field(default=None, description="Do not show the same again and again.")
    facets: tuple[Annotated[str, Field(max_length=200)], ...] = Field(
        default=(),
        max_length=32,
        fail_fast=True,
        description="Fields to count values of, over all items that match the filter.",
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
            "target images, or with query.image, query.url or query.id and target texts"
        )
    return None


def fault_of_diversify(options: SearchOptions, *, reranked: bool) -> str | None:
    """What `diversify` does not go with, and what to do; None when all is well."""
    if options.diversify is None:
        return None
    if reranked:
        return "diversify and rerank both order the best anew: leave one of the two out"
    if options.cursor is not None:
        return "diversify orders the best anew, and a cursor goes by scores: go on by offset"
    if options.target == "moments":
        return "diversify is for items and captions: of one video there are few moments as it is"
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
        if self.hybrid is not None and self.target == "texts" and self.hybrid.fields != ("captions",):
            raise ValueError(
                "hybrid.fields: captions are found by their own words: leave fields out, or ask for images"
            )
        if self.hybrid is not None and self.hybrid.text is None and self.query.text is None:
            raise ValueError("hybrid.text: a query that is no text brings no words: say which to search for")
        if self.cursor is not None and self.offset:
            raise ValueError("offset: a cursor says where to go on from: leave one of the two out")
        return self

    @model_validator(mode="after")
    def _diversity_makes_sense(self) -> Self:
        if fault := fault_of_diversify(self, reranked=self.rerank is not None):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _probability_makes_sense(self) -> Self:
        if self.min_score is not None and self.hybrid is not None:
            raise ValueError("min_score: fused scores are no probabilities: leave hybrid or min_score out")
        return self

    @model_validator(mode="after")
    def _rerank_makes_sense(self) -> Self:
        idle = () if self.rerank else self.model_fields_set & {"candidates", "explain"}
        if self.rerank is not None and self.query.feedback is not None:
            raise ValueError("rerank reads the words of one text beside pictures: leave feedback or rerank out")
        by_picture = any(each is not None for each in (self.query.image, self.query.url, self.query.id))
        able = {"images": self.query.text is not None, "texts": by_picture, "moments": False}[self.target]
        if fault := fault_of_rerank(idle, able=able or self.rerank is None):
            raise ValueError(fault)
        return self

    def reranking(self) -> Reranking | None:
        """How to re-rank, if that was asked for."""
        return None if self.rerank is None else Reranking(self.candidates, self.explain)
