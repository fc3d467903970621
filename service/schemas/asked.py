"""What clients send: objects of fields that are known, and of no others."""

from itertools import islice

from pydantic import BaseModel, ConfigDict, model_validator

# More than any of ours has. Each field that is not known is an error of its own, and a body of a million of them would keep the
# event loop for seconds; so many show that something is wrong.
_MOST_FIELDS = 64


class Asked(BaseModel):
    """Base of everything that is read of a request's JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: object) -> object:
        # of more than there are fields one at least is unknown: what is left is refused as the whole would be
        return (
            dict(islice(given.items(), _MOST_FIELDS))
            if isinstance(given, dict) and len(given) > _MOST_FIELDS
            else given
        )
