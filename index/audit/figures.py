"""What an audit says, as it is written to JSON."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from models.sealed import write_atomically


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Suspect(_Part):
    """A picture with a caption that may be another's."""

    id: str
    caption: str
    cosine: float
    wrong: float = Field(description="how likely it is another picture's, by the mixture")
    fits: str | None = Field(description="the item that the caption fits best, if that is another one")
    fits_cosine: float | None


class Captions(_Part):
    """Pictures and their captions."""

    pairs: int
    mean_cosine: float
    two_kinds: bool = Field(
        description="whether two kinds of cosines explain them better than one; if not, none is flagged"
    )
    flagged: int = Field(description="pairs that are likelier wrong than right")
    expected_wrong: float = Field(description="sum of the probabilities")
    suspects: list[Suspect] = Field(description="the lowest cosines first")


class SharedText(_Part):
    """A caption of several items."""

    caption: str
    items: int
    examples: list[str] = Field(description="ids of some of them")


class Texts(_Part):
    """Captions that several items have, but for case and spaces."""

    different: int
    shared: int = Field(description="texts of at least two items")
    pairs: int = Field(description="pairs that have such a text")
    most: list[SharedText]


class Place(_Part):
    """An item by where it lies."""

    id: str
    distance: float = Field(description="1 less the mean cosine to its k nearest others")
    z: float = Field(description="modified z-score of the distance")
    occurrences: int = Field(description="among the k nearest of how many others it is")


class Outliers(_Part):
    """Items far from all others."""

    median_distance: float
    flagged: int = Field(description="with a modified z-score over 3.5")
    farthest: list[Place]


class Hubs(_Part):
    """Items that are near to unusually many."""

    k: int
    skewness: float
    bound: float = Field(description="of N_k: the mean and two deviations")
    flagged: int
    never_found: int = Field(description="items that are nobody's neighbour")
    greatest: list[Place]


class Broken(_Part):
    """An item whose picture is not what was indexed."""

    id: str
    uri: str
    why: str


class Files(_Part):
    """What reading every picture found."""

    read: int
    broken: int
    examples: list[Broken]


class Audit(_Part):
    """The whole of it; lists hold no more than `limit` entries, counts count all."""

    schema_version: int = 1
    collection: str
    items: int
    items_version: int
    captions_version: int
    bundle_name: str
    created_at: str
    limit: int
    captions: Captions | None = Field(description="None where no item has any")
    texts: Texts | None
    outliers: Outliers
    hubs: Hubs
    files: Files | None = Field(description="None where they were not read")

    def write(self, path: Path) -> None:
        """Write it as JSON: whole or not at all."""
        write_atomically(path, (self.model_dump_json(indent=2) + "\n").encode())
