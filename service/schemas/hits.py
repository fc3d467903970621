"""A search's answer."""

from pydantic import BaseModel, ConfigDict, Field, JsonValue


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


class HitView(Item):
    """One result: an item, and the caption that was found when captions were searched."""

    score: float = Field(description="Cosine of query and hit.", examples=[0.31])
    caption: str | None = Field(default=None, description="The caption that was found (target: texts).")


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
    took_ms: dict[str, float] = Field(
        description="Milliseconds by stage.", examples=[{"tokenize": 0.2, "encode": 3.1, "search": 0.9, "total": 4.4}]
    )
