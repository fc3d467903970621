"""Adding and dropping fields of a collection, while it is read and written.

Lance counts a row as changed by every commit that gives it a new column, and a live view (`index.live`) would take all rows
for new ones. So the columns are added full of nulls, which changes no row, and then filled by an update that says of itself
that it changed none. Between the two they bear a name that no reader and no writer knows; the last commit renames them. After
a kill at any moment the fields are there, filled, or they are not there.
"""

from collections import Counter
from collections.abc import Collection as Several
from collections.abc import Iterable, Sequence

import lance
import pyarrow as pa
from lance.fragment import DataFile
from pydantic_core import from_json

from index.collection import Collection
from index.commits import full_disk_told
from index.datasets import ITEMS
from index.errors import FieldInvalid
from index.fields.columns import typed_columns
from index.fields.types import BUILT_IN, Field, check_addable, derived_fields, find_field
from index.lease import lease, turn

_FILLING = "filling-"
_BATCH_ROWS = 8_192
# The portable form of a Roaring bitmap that holds nothing (RoaringFormatSpec: cookie 12346, then no containers).
_NO_ROWS = (12346).to_bytes(4, "little") + bytes(4)


def add_fields(collection: Collection, fields: Sequence[Field]) -> Counter[str]:
    """Give the items a column for each field and fill it from their metadata, in memory that does not grow with them.

    Other writers wait for the commits only. The collection's object stays at its version: `refresh` it to see the fields.

    Returns:
        How many values of each field did not fit; those rows have null.

    Raises:
        FieldInvalid: one of them is there already, or they are too many.
        GenerationChanged: another model's rows are served by now.
        LeaseHeld: a job runs on the collection.
        StorageFull: no space; nothing was changed.
    """
    with full_disk_told(collection), lease(collection.home, "adding fields"):
        while True:
            items = collection.latest().items
            check_addable(fields, items.schema)
            backfill = _Backfill(fields)
            backfill.write(items)
            with turn(collection.home):
                collection.expect_served()
                latest = collection.latest().items
                # where another column was added meanwhile, the numbers of ours are taken
                if latest.schema.names == items.schema.names:
                    backfill.write(latest)
                    backfill.commit(latest, str(collection.path / ITEMS))
                    return backfill.misfits


def drop_fields(collection: Collection, names: Iterable[str]) -> None:
    """Remove the columns of those fields, and their indexes; the metadata keep the values.

    Raises:
        FieldUnknown: no such field.
        FieldInvalid: every item has it.
        GenerationChanged: another model's rows are served by now.
        LeaseHeld: a job runs on the collection.
    """
    with lease(collection.home, "dropping fields"), turn(collection.home):
        collection.expect_served()
        items = collection.latest().items
        there = {field.name: field for field in derived_fields(items.schema)}
        columns: list[str] = []
        for name in names:
            if name in BUILT_IN:
                raise FieldInvalid(f"{name} is a field of every item: it cannot be dropped")
            columns.extend(find_field(there, name).columns())
        if columns:
            items.drop_columns(columns)


def declare_fields(items: lance.LanceDataset, fields: Iterable[Field]) -> None:
    """Give a dataset that holds no rows yet the columns of *fields*: what is then written with them fills them."""
    columns = {name: kind for field in fields for name, kind in field.columns().items()}
    if columns:
        items.add_columns(pa.schema(list(columns.items())))


class _Backfill:
    """The columns of some fields, fragment by fragment.

    Attributes:
        misfits: values of each field that do not fit.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        columns = {name: kind for field in fields for name, kind in field.columns().items()}
        self._schema = pa.schema([(_FILLING + name, kind) for name, kind in columns.items()])
        self._files: dict[int, DataFile] = {}
        self._misfits: dict[int, Counter[str]] = {}

    @property
    def misfits(self) -> Counter[str]:
        return sum(self._misfits.values(), Counter[str]())

    def write(self, items: lance.LanceDataset) -> None:
        """Write the columns of the fragments that have none yet, into files that no version of the dataset names."""
        self._drop_leftovers(items)
        for fragment in items.get_fragments():
            if fragment.fragment_id not in self._files:
                self._write(fragment)

    def commit(self, items: lance.LanceDataset, uri: str) -> None:
        """Make what was written for the fragments of *items* columns of theirs."""
        items.add_columns(self._schema)
        items = items.checkout_version(items.latest_version)
        fragments = [fragment.metadata for fragment in items.get_fragments()]
        if fragments:
            ids = _ids(items, self._schema.names)
            for fragment in fragments:
                file = self._files[fragment.id]
                if set(file.fields) != ids:
                    raise RuntimeError(f"{uri}: columns were numbered {file.fields}, and are {ids} now: add them again")
                fragment.files.append(file)
            update = lance.LanceOperation.Update(
                updated_fragments=fragments,
                fields_modified=sorted(ids),
                update_mode="rewrite_columns",
                updated_fragment_offsets={fragment.id: _NO_ROWS for fragment in fragments},
            )
            items = lance.LanceDataset.commit(uri, update, read_version=items.version)
        names = [{"path": name, "name": name.removeprefix(_FILLING)} for name in self._schema.names]
        items.alter_columns(*names)  # pyright: ignore[reportArgumentType] - Lance's annotation means one alteration

    def _write(self, fragment: lance.LanceFragment) -> None:
        misfits: Counter[str] = Counter()

        @lance.batch_udf(output_schema=self._schema)
        def derive(batch: pa.RecordBatch) -> pa.RecordBatch:
            metadata = [from_json(text) for text in batch["metadata"].to_pylist()]
            columns, unfit = typed_columns(metadata, self._fields)
            misfits.update(unfit)
            return pa.record_batch(list(columns.values()), schema=self._schema)

        written, _ = fragment.merge_columns(derive, columns=["metadata"], batch_size=_BATCH_ROWS)
        self._files[fragment.fragment_id] = written.files[-1]
        self._misfits[fragment.fragment_id] = misfits

    @staticmethod
    def _drop_leftovers(items: lance.LanceDataset) -> None:
        left = [name for name in items.schema.names if name.startswith(_FILLING)]
        if left:
            items.drop_columns(left)


def _ids(items: lance.LanceDataset, names: Several[str]) -> set[int]:
    """Lance's numbers of what a file holds of those columns: of a list, its elements."""
    found = [field for field in items.lance_schema.fields() if field.name() in names]
    return {leaf.id() for field in found for leaf in (field.children() or [field])}
