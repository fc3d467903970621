"""What a version is a version of."""

from typing import Annotated

from pydantic import Field

# Another model brings another generation, whose versions begin anew: a version by itself tells neither earlier nor later.
Generation = Annotated[
    str,
    Field(
        description="Of the collection: versions are counted in each anew, so compare those of one.", examples=["g0"]
    ),
]
