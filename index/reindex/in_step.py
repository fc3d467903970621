"""When two generations held the same items: then going back takes only what was written since."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import lance
from pydantic import BaseModel, ConfigDict, ValidationError

from index.collection import Collection
from index.datasets import ITEMS, open_dataset
from index.errors import CollectionInvalid, CollectionMissing
from models.sealed import write_atomically

IN_STEP_FILE = "in-step.json"
# keeps the version from being cleaned away: `index.versions` leaves tags of other names alone
_TAG = "in-step"


class InStep(BaseModel):
    """`in-step.json` in a generation's folder: which other one it was in step with, at which versions of the items.

    Attributes:
        let_go: ids of items that the other one has and it could not embed; None in notes of before that was told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generation: str
    version: int
    other_version: int
    let_go: tuple[str, ...] | None = None


def note(taking_over: Collection, served: Collection, let_go: Sequence[str] = ()) -> None:
    """Write down in the generation that takes over that it holds what the served one holds but for *let_go*, both as they are."""
    version = taking_over.version
    tags = taking_over.items.tags
    if _TAG in tags.list():
        tags.update(_TAG, version)
    else:
        tags.create(_TAG, version)
    said = InStep(generation=served.generation, version=version, other_version=served.version, let_go=tuple(let_go))
    write_atomically(taking_over.path / IN_STEP_FILE, (said.model_dump_json() + "\n").encode())


def other_generation(folder: Path) -> str | None:
    """Which generation the one in *folder* was in step with, if that was noted."""
    said = _read(folder)
    return None if said is None else said.generation


def items_then(served: Collection, other: Collection) -> lance.LanceDataset | None:
    """The served items when *other* held the same; None where that is not known, or *other* was written to since."""
    said = _read(served.path)
    if said is None or (said.generation, said.other_version) != (other.generation, other.version):
        return None
    if said.let_go is None:
        return None
    with suppress(CollectionMissing, CollectionInvalid):
        return open_dataset(served.path / ITEMS, said.version)
    return None


def let_go(served: Collection, other: Collection) -> set[str] | None:
    """What the served one could not embed of the items of *other* as it took over; None where that was not noted."""
    said = _read(served.path)
    if said is None or said.generation != other.generation or said.let_go is None:
        return None
    return set(said.let_go)


def forget(folder: Path) -> None:
    """Let the noted version of the generation in *folder* go: what it was in step with is there no more."""
    (folder / IN_STEP_FILE).unlink(missing_ok=True)
    with suppress(CollectionInvalid):
        tags = open_dataset(folder / ITEMS).tags
        if _TAG in tags.list():
            tags.delete(_TAG)


def _read(folder: Path) -> InStep | None:
    try:
        return InStep.model_validate_json((folder / IN_STEP_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        # it only spares work
        return None
