"""A search's answer."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from service.schemas.generation import Generation
from service.schemas.proofread import WordView


class VideoView(BaseModel):
    """What is known of an item that is a video."""

    model_config = ConfigDict(frozen=True)

    seconds: float = Field(description="From its first frame to its last.", examples=[12.5])
    moments: int = Field(description="Frames of it that can be found (target: moments).", examples=[13])
    video_url: str = Field(
        description="The file; parts of it are sent where a Range asks for one.",
        examples=["/v1/collections/films/items/a.mp4/image"],
    )


class Moment(BaseModel):
    """A moment of a video."""

    model_config = ConfigDict(frozen=True)

    seconds: float = Field(description="From the video's first frame.", examples=[7.5])
    score: float = Field(description="Cosine of query and moment.", examples=[0.33])
    thumbnail_url: str = Field(examples=["/v1/collections/films/items/a.mp4/thumbnail?at=7.5"])


class Item(BaseModel):
    """One item of a collection."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["test-0-000001"])
    width: int = Field(description="Pixels.", examples=[640])
    height: int = Field(description="Pixels.", examples=[480])
    image_url: str = Field(
        description="The picture; of a video a still.", examples=["/v1/collections/scenes/items/test-0-000001/image"]
    )
    thumbnail_url: str = Field(examples=["/v1/collections/scenes/items/test-0-000001/thumbnail"])
    captions: list[str] | None = Field(default=None, description="All its captions, if included.")
    metadata: dict[str, JsonValue] | None = Field(default=None, description="If included.")
    video: VideoView | None = Field(default=None, description="Of a video; null for a picture.")


class HitProof(BaseModel):
    """What the proofreader says of the query beside a hit, or of a found caption beside the query's picture."""

    model_config = ConfigDict(frozen=True)

    score: float = Field(
        description="Sum of the logarithms of the words' support: close to 0, never quite, when nothing is contradicted, else below.",
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
    threshold: float | None = Field(
        default=None,
        description="The probability of being wrong above which a word counts as contradicted (explain).",
        examples=[0.3244],
    )
    words: list[WordView] | None = Field(
        default=None, description="Every word of the query, or of a found caption (explain)."
    )


class ItemDetail(Item):
    """One item, as it is in one version of its collection."""

    generation: Generation
    version: int = Field(description="Version of the collection that it was read from.", examples=[3])


class HitView(Item):
    """One result: an item, and the caption that was found when captions were searched."""

    score: float = Field(
        description="Cosine of query and hit; of a hybrid search the fused score, which orders hits of one answer alone.",
        examples=[0.31],
    )
    probability: float | None = Field(
        default=None,
        description="That text and image belong together, where one pair in two does (docs/queries.md); null where the model is not "
        "calibrated, and where query and hit are not one text and one image.",
        examples=[0.87],
    )
    duplicates: int | None = Field(
        default=None,
        description="How many other items are its near-duplicates and could have been found too, where those are collapsed.",
    )
    caption: str | None = Field(default=None, description="The caption that was found (target: texts).")
    moment: Moment | None = Field(
        default=None,
        description="Of a video: the moment that was found (target: moments), or the one nearest to the query (target: images).",
    )
    proof: HitProof | None = Field(
        default=None,
        description="Of a re-ranked hit (rerank); null behind the candidates, and where nothing is stored.",
    )


class FacetValue(BaseModel):
    """A value, and how many of the matching items have it."""

    model_config = ConfigDict(frozen=True)

    value: str | int | bool
    count: int


class FacetRange(BaseModel):
    """Values from *low* to *high*; only the last range's *high* is one of its own. Times are ISO 8601."""

    model_config = ConfigDict(frozen=True)

    low: float | datetime
    high: float | datetime
    count: int


class FacetView(BaseModel):
    """One field over the matching items."""

    model_config = ConfigDict(frozen=True)

    missing: int = Field(description="Items without a value.")
    distinct: int = Field(description="Different values, or elements of lists.")
    values: list[FacetValue] = Field(description="The most frequent ones; none for floats and times.")
    ranges: list[FacetRange] = Field(description="For floats and times: ranges of about equally many items.")


class SearchAnswer(BaseModel):
    """The hits, best first, and where they come from."""

    model_config = ConfigDict(frozen=True)

    hits: list[HitView]
    collection: str = Field(examples=["scenes"])
    generation: Generation
    version: int = Field(description="Version of the collection that was searched.", examples=[3])
    snapshot: str = Field(examples=["v3-1f0c2d3e"])
    model: str = Field(examples=["scenes-s"])
    cached: bool = Field(description="Whether the page came from the cache.")
    truncated: bool = Field(description="Whether the text was longer than what is read of it, and lost its end.")
    sentences: int | None = Field(
        default=None, description="In how many pieces a text was read that is longer than the model reads at once."
    )
    text: str | None = Field(
        default=None, description="The query as the proofreader reads it: words are counted in it (explain)."
    )
    next: str | None = Field(
        default=None, description="The cursor of the next page, where one was asked for; null when there is none."
    )
    facets: dict[str, FacetView] | None = Field(default=None, description="By field, where some were asked for.")
    took_ms: dict[str, float] = Field(
        description="Milliseconds by stage.", examples=[{"tokenize": 0.2, "encode": 3.1, "search": 0.9, "total": 4.4}]
    )
