"""Whether a text belongs to an image, as a probability: what a bundle's cosines mean.

`matching.json` lies in a bundle's folder, or in the folder of a collection, whose own pairs then made it. No seal covers it, on
purpose: a bundle's digest names its vectors, which every collection depends on, and a calibration changes none of them. It may be
made, or made anew, for a bundle that is in use. What ties the two together is the digest inside it: the calibration of
another bundle counts as none.
"""

import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import MatchingInvalid
from models.sealed import schema_version_of, write_atomically

MATCHING_NAME = "matching.json"
SCHEMA_VERSION = 1


class Matching(BaseModel):
    """P(a text belongs to an image) = sigmoid(slope x cosine + intercept), where one pair in two belongs together.

    Among other shares of right pairs another intercept holds: with one right image in N, it is less by log(N - 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    bundle_digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bundle's manifest")
    slope: float = Field(gt=0, allow_inf_nan=False)
    intercept: float = Field(allow_inf_nan=False)
    source: str = Field(description="which pairs it was fitted on")
    matched: int = Field(gt=0, description="pairs that belong together")
    unmatched: int = Field(gt=0, description="pairs that do not, drawn at random")
    error: float = Field(
        ge=0,
        le=1,
        description="expected calibration error, 15 bins, one pair in two right, on texts it was not fitted on",
    )

    def probability(self, cosine: float) -> float:
        """That a text and an image of that cosine belong together, before anything else is known of them."""
        logit = self.slope * cosine + self.intercept
        # the exponent is never above 0
        return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))

    def cosine(self, chance: float) -> float:
        """From which cosine on pairs belong together with that probability; infinite at 0 and 1."""
        if not 0 < chance < 1:
            return math.inf if chance >= 1 else -math.inf
        return (math.log(chance / (1 - chance)) - self.intercept) / self.slope


def write_matching(folder: Path, matching: Matching) -> None:
    """Put the calibration into *folder*, of a bundle or a collection, in the place of what was there."""
    write_atomically(folder / MATCHING_NAME, (matching.model_dump_json(indent=2) + "\n").encode())


def read_matching(folder: Path, bundle_digest: str) -> Matching | None:
    """The calibration in *folder*, if there is one and it is that bundle's.

    Raises:
        MatchingInvalid: it is damaged, or of a newer ViLEM.
    """
    path = folder / MATCHING_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MatchingInvalid(
            f"{path} cannot be read ({error.strerror}): check its permissions and its disk"
        ) from error
    try:
        version = schema_version_of(data)
        found = Matching.model_validate_json(data) if version <= SCHEMA_VERSION else None
    except ValidationError as error:
        raise MatchingInvalid(f"{path} is damaged: remove it, and run `vilem model calibrate` again") from error
    if found is None:
        raise MatchingInvalid(f"{path} has schema {version}, this ViLEM reads up to {SCHEMA_VERSION}: upgrade ViLEM")
    return found if found.bundle_digest == bundle_digest else None
