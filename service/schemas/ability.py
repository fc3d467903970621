"""What can be done, or not."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class Ability(BaseModel):
    """Whether something can be done, and if not, why, and what to do."""

    model_config = ConfigDict(frozen=True)

    available: bool
    reason: str | None = Field(default=None, examples=["model 'scenes-s' has no proofreader: …"])

    @classmethod
    def unless(cls, reason: str | None) -> Self:
        """Available unless there is a reason why not."""
        return cls(available=reason is None, reason=reason)
