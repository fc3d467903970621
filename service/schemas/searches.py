"""Several searches in one request."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from service.problems import Problem
from service.schemas.asked import Asked
from service.schemas.generation import Generation
from service.schemas.hits import SearchAnswer

MAX_SEARCHES = 64

# Read one by one, so that one that is wrong fails alone; described as what it should be.
OneSearch = Annotated[Any, WithJsonSchema({"$ref": "#/components/schemas/SearchRequest"})]


class SearchesRequest(Asked):
    """Several searches of one collection."""

    queries: list[OneSearch] = Field(
        min_length=1, max_length=MAX_SEARCHES, description="Each as the body of a search by itself."
    )


class SearchesAnswer(BaseModel):
    """What became of each search, in their order; all met one version of the collection."""

    model_config = ConfigDict(frozen=True)

    results: list[SearchAnswer | Problem] = Field(
        description="An answer, which has `hits`; or the problem that the search would have been answered with, which has "
        "`status` and `type`."
    )
    collection: str = Field(examples=["scenes"])
    generation: Generation
    version: int = Field(description="Version of the collection that was searched.", examples=[3])
    took_ms: float = Field(description="Milliseconds for all of them, side by side.", examples=[12.5])
