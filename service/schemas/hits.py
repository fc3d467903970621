"""A search's answer."""

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from service.schemas.proofread import WordView


class Item(BaseModel):
    """One item of a collection."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["test-0-000001"])
    width: int = Field(description="Pixels.", examples=[640])
    height: int = Field(description="Pixels.", examples=[480])
    image_url: str = Field(examples=["/v1/collections/scenes/items/test-0-000001/image"])
    thumbnail_url: str = Field(examples=["/v1/collections/scenes/items/test-0-000001/thumbnail"])
    captions: list[str] | None = Field(default=None, description="All its captions, if included.")
    metadata: dict[str, JsonValue] | None = Field(default=None, description="If included.")


class HitProof(BaseModel):
    """What the proofreader says of the query beside a hit, or of a found caption beside the query's picture."""

    model_config = ConfigDict(frozen=True)

    score: float = Field(
        description="Sum of the logarithms of the words' support: 0 when nothing is contradicted, else below.",
        examples=[-0.4],
    )
    mixed: float = Field(
        description="The cosine plus a share of that (of captions: for each word), fitted on held-out data: re-ranked hits are "
        "in its order.",
        examples=[0.27],
    )
    text: str | None = Field(
        default=None, description="A found caption as the proofreader reads it: words are counted in it (explain)."
    )
    words: list[WordView] | None = Field(
        default=None, description="Every word of the query, or of a found caption (explain)."
    )


class HitView(Item):
    """One result: an item, and the caption that was found when captions were searched."""

    score: float = Field(description="Cosine of query and hit.", examples=[0.31])
    caption: str | None = Field(default=None, description="The caption that was found (target: texts).")
    proof: HitProof | None = Field(
        default=None,
        description="Of a re-ranked hit (rerank); null behind the candidates, and where nothing is stored.",
    )


class SearchAnswer(BaseModel):
    """The hits, best first, and where they come from."""

    model_config = ConfigDict(frozen=True)

    hits: list[HitView]
    collection: str = Field(examples=["scenes"])
    version: int = Field(description="Version of the collection that was searched.", examples=[3])
    snapshot: str = Field(examples=["v3-1f0c2d3e"])
    model: str = Field(examples=["scenes-s"])
    cached: bool = Field(description="Whether the page came from the cache.")
    truncated: bool = Field(description="Whether the text was longer than the model reads, and lost its end.")
    text: str | None = Field(
        default=None, description="The query as the proofreader reads it: words are counted in it (explain)."
    )
    took_ms: dict[str, float] = Field(
        description="Milliseconds by stage.", examples=[{"tokenize": 0.2, "encode": 3.1, "search": 0.9, "total": 4.4}]
    )
