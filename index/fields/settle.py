"""What an embedding job does with fields at its end: filters and facets work without a declaration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from index.collection import Collection
from index.fields.change import add_fields
from index.fields.indexes import index_fields
from index.fields.survey import Proposal, survey
from index.fields.types import Field, derived_fields

# A column and an index cost time on every write; who filters by more may add them.
MAX_INFERRED = 64


@dataclass(frozen=True)
class Settled:
    """What was found and done.

    Attributes:
        fields: all that there are now, but the built-in ones.
        added: those that are new.
        left: keys that could be fields, beyond `MAX_INFERRED`.
        misfits: values that do not fit their field, by its name.
    """

    fields: Sequence[Field]
    added: Sequence[Field]
    left: Sequence[Proposal]
    misfits: Counter[str]


def settle_fields(collection: Collection) -> Settled:
    """Add a field for each key of the metadata that has one type throughout, the most frequent first, and index them.

    Fields that are there stay as they are.

    Raises:
        LeaseHeld: a job runs on the collection.
        StorageFull: no space for the columns.
    """
    items = collection.latest().items
    there = derived_fields(items.schema)
    found = survey(items)
    room = max(0, MAX_INFERRED - len(there))
    added = [proposal.field for proposal in found.proposals[:room]]
    if added:
        add_fields(collection, added)
    index_fields(collection)
    return Settled([*there, *added], added, found.proposals[room:], found.misfits)
