"""Numbers and switches as JSON has them."""

from typing import Annotated

from pydantic import Field

# JSON's true is no number, nor is "5": whoever sends them means something else
StrictInt = Annotated[int, Field(strict=True)]
StrictBool = Annotated[bool, Field(strict=True)]
FiniteFloat = Annotated[float, Field(strict=True, allow_inf_nan=False)]
