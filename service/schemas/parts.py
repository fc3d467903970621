"""What a search is made with: one text, image, item or vector, or several put together (docs/queries.md)."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from service.schemas.asked import Asked
from service.schemas.numbers import FiniteFloat, StrictBool

MAX_PARTS = 16
MAX_JUDGED = 64

ItemId = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Sentence = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
# only ratios count, and these leave room for any
Weight = Annotated[FiniteFloat, Field(ge=-1000, le=1000)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1000)]


def _counts(weight: float) -> float:
    if weight == 0:
        raise ValueError("a part of weight 0 does nothing: leave it out, or give it another weight")
    return weight


class _Single(Asked):
    """Kinds of things that have a vector."""

    kinds: ClassVar[tuple[str, ...]] = ("text", "image", "url", "id", "vector")

    text: Sentence | None = Field(default=None, description="A sentence, or several.")
    image: str | None = Field(default=None, min_length=1, description="An image file, base64.")
    url: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="Where an image file is, https://…: fetched where the service lists its host (VILEM_URL_HOSTS).",
    )
    id: ItemId | None = Field(default=None, description="An item: finds what is like it.")
    vector: list[FiniteFloat] | None = Field(
        default=None,
        min_length=1,
        max_length=8192,
        # one that is no number is enough to tell: each would be an error of its own
        fail_fast=True,
        description="An embedding of the collection's model.",
    )

    @property
    def given(self) -> list[str]:
        """Which kinds were given."""
        return [name for name in self.kinds if getattr(self, name) is not None]

    def expect_one(self) -> None:
        """Refuse what is none or several of the kinds; raises ValueError."""
        given = self.given
        if len(given) != 1:
            *others, last = self.kinds
            raise ValueError(
                f"give exactly one of {', '.join(others)} and {last}; got {', '.join(given) or 'none'}"
                + ("; parts take several" if "parts" in self.kinds and len(given) > 1 else "")
            )


class Change(Asked):
    """A direction: from what one text says to what another says."""

    before: Sentence = Field(alias="from", description="What is there.", examples=["day"])
    after: Sentence = Field(alias="to", description="What shall be there in its place.", examples=["night"])


class Part(_Single):
    """A part of a query: exactly one of the six, and how much it counts."""

    kinds: ClassVar[tuple[str, ...]] = (*_Single.kinds, "change")

    change: Change | None = Field(
        default=None, description="A direction, weight x (T(to) - T(from)): moves what the other parts ask for."
    )
    weight: Annotated[Weight, AfterValidator(_counts)] = Field(
        default=1.0, description="How much the part counts; below 0 it is asked to be away."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        self.expect_one()
        return self


class Feedback(Asked):
    """What somebody said of hits (Rocchio): alpha x query + beta x mean of the liked - gamma x mean of the disliked."""

    # of a tuple the bound does not count what is faulty: without fail_fast each would be an error of its own
    liked: tuple[ItemId, ...] = Field(
        default=(), max_length=MAX_JUDGED, fail_fast=True, description="Items to be nearer to."
    )
    disliked: tuple[ItemId, ...] = Field(
        default=(), max_length=MAX_JUDGED, fail_fast=True, description="Items to be away from."
    )
    alpha: Share = Field(default=1.0, description="Of the query itself.")
    beta: Share = Field(default=0.75, description="Of the mean of what is liked.")
    gamma: Share = Field(default=0.15, description="Of the mean of what is disliked.")
    include_judged: StrictBool = Field(default=False, description="Let judged items be hits too.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.liked and not self.disliked:
            raise ValueError("name items under liked or disliked, or leave feedback out")
        if twice := sorted({*self.liked} & {*self.disliked}):
            raise ValueError(f"{twice[0]!r} is both liked and disliked: leave it out of one of them")
        return self


class Query(_Single):
    """What to search with: exactly one of the six; or what was liked, alone."""

    kinds: ClassVar[tuple[str, ...]] = (*_Single.kinds, "parts")

    parts: tuple[Part, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_PARTS,
        fail_fast=True,
        description="Several together: the sum of weight x unit vector, of unit length again.",
    )
    feedback: Feedback | None = Field(default=None, description="Move the query to what was liked of its hits.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if self.given or self.feedback is None:
            self.expect_one()
        elif not self.feedback.liked:
            raise ValueError("what is disliked leads nowhere by itself: give a query too, or items that are liked")
        return self

    @property
    def fetches(self) -> bool:
        """Whether it is asked with what lies at an address."""
        return self.url is not None or any(part.url is not None for part in self.parts or ())

    @property
    def is_plain(self) -> bool:
        """Whether it is one text, image, address, item or vector."""
        return self.parts is None and self.feedback is None
