"""Collections as the API shows them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from index.fields.types import FieldType
from service.schemas.ability import Ability
from service.schemas.generation import Generation
from service.schemas.hits import Item


class FieldView(BaseModel):
    """One field of a collection's items."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="As filters and facets name it.", examples=["price"])
    type: FieldType = Field(description="`strings` is a list of them, `geo` a point.", examples=["float"])


class CollectionView(BaseModel):
    """One served collection."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(examples=["scenes"])
    count: int = Field(description="Items.", examples=[1000])
    captions: int = Field(description="Captions that can be found.", examples=[5000])
    moments: int = Field(description="Moments of videos that can be found.", examples=[0])
    dim: int = Field(description="Dimension of its vectors.", examples=[128])
    generation: Generation
    version: int = Field(description="Of its items, that searches see.", examples=[3])
    engine: Literal["faiss", "milvus"] = Field(
        description="What finds vectors: the snapshot, or where they were pushed to."
    )
    snapshot: str = Field(examples=["v3-1f0c2d3e"])
    published_at: str = Field(examples=["2026-11-20T12:00:00+00:00"])
    unpublished: int = Field(description="Vectors written or dead since the snapshot: publish it when they are many.")
    behind: str | None = Field(description="Why what was written last is not shown; null when it is.")
    model: str = Field(examples=["scenes-s"])
    bundle_digest: str = Field(description="SHA-256 of the model's manifest, but for the threshold of its proofreader.")
    proofread: Ability = Field(description="Whether words of a text can be checked against its items.")


class CollectionDetail(CollectionView):
    """One served collection with its fields and some of its items."""

    fields: list[FieldView] = Field(
        description="What a filter can name: of every item `id`, `width` and `height`, then those of the metadata."
    )
    sample: list[Item] = Field(description="Some items, for a page that has no query yet.")


class CollectionList(BaseModel):
    """Every collection that is served, and what is not, or not as last published."""

    model_config = ConfigDict(frozen=True)

    collections: list[CollectionView]
    unavailable: dict[str, str] = Field(
        description="The reason by name: collections and models that cannot be served, and collections that are served as they "
        "were because what was published last cannot be opened."
    )
