"""One store: a collection of Milvus that holds the vectors of one kind at one version, and the aliases that name it."""

import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from index.errors import MilvusError, MilvusMismatch
from index.milvus.connection import Connection, NotLoaded

Index = Literal["AUTOINDEX", "HNSW", "IVF_SQ8", "FLAT"]
INDEXES: tuple[Index, ...] = ("AUTOINDEX", "HNSW", "IVF_SQ8", "FLAT")
ROW, VECTOR = "row", "vector"

_HNSW_LINKS, _HNSW_BUILD_WIDTH = 32, 200
# of those searched; a walk keeps at least as many candidates as it shall find
_HNSW_WIDTH = 128
# 4 sqrt(rows) lists is Milvus's advice; 1,024 is that of a segment of 65,536 rows, and segments are built one by one
_LISTS, _PROBES = 1024, 32

# How long a server may take to bring a store into memory, and to end the building of its index.
LOAD_S = 300.0
SETTLE_S = 3600.0
_SETTLE_PAUSE_S = 0.5


@dataclass(frozen=True)
class Store:
    """What a store is.

    Attributes:
        name: of the collection of Milvus.
        dim: d.
        index: how its server searches it.
        half: whether its vectors are of half precision; milvus-lite has none.
    """

    name: str
    dim: int
    index: Index
    half: bool

    def search_params(self, k: int) -> dict[str, Any]:
        """What a search for k rows says to the index."""
        tuned: dict[Index, dict[str, int]] = {"HNSW": {"ef": max(_HNSW_WIDTH, k)}, "IVF_SQ8": {"nprobe": _PROBES}}
        return {"metric_type": "IP", "params": tuned.get(self.index, {})}


def default_index(connection: Connection) -> Index:
    """A server knows best what its hardware is good for; milvus-lite is for few rows, and exact."""
    return "FLAT" if connection.is_lite else "AUTOINDEX"


def create_store(connection: Connection, name: str, dim: int, index: Index) -> Store:
    """Make an empty store and load it; one of that name that is there already is taken as it is."""
    types = import_module("pymilvus").DataType
    client = import_module("pymilvus").MilvusClient
    half = not connection.is_lite
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ROW, types.INT64, is_primary=True)
    schema.add_field(VECTOR, types.FLOAT16_VECTOR if half else types.FLOAT_VECTOR, dim=dim)
    built = {"HNSW": {"M": _HNSW_LINKS, "efConstruction": _HNSW_BUILD_WIDTH}, "IVF_SQ8": {"nlist": _LISTS}}
    indexes = client.prepare_index_params()
    indexes.add_index(VECTOR, index_type=index, index_name=VECTOR, metric_type="IP", params=built.get(index, {}))
    if not connection.call("has_collection", name):
        # what this process wrote is seen by its next search, and one that wrote nothing waits for nobody
        connection.call("create_collection", name, schema=schema, consistency_level="Session", timeout_s=LOAD_S)
    # a push that was killed may have come no further
    if connection.call("describe_index", name, VECTOR) is None:
        connection.call("create_index", name, indexes, sync=False, timeout_s=LOAD_S)
    return open_store(connection, name)


def open_store(connection: Connection, name: str) -> Store:
    """The store of that name, loaded.

    Raises:
        MilvusMismatch: there is none, or it is not one of ours.
    """
    types = import_module("pymilvus").DataType
    fields = {field["name"]: field for field in connection.call("describe_collection", name)["fields"]}
    described = connection.call("describe_index", name, VECTOR)
    vector = fields.get(VECTOR, {})
    known: dict[str, Index] = {each: each for each in INDEXES}
    index = known.get((described or {}).get("index_type", ""))
    ours = fields.keys() == {ROW, VECTOR} and vector.get("type") in (types.FLOAT_VECTOR, types.FLOAT16_VECTOR)
    if index is None or not ours:
        raise MilvusMismatch(f"{name} in {connection.target.uri} was not made by ViLEM: push the collection anew")
    connection.call("load_collection", name, timeout_s=LOAD_S)
    return Store(name, int(vector["params"]["dim"]), index, half=vector["type"] == types.FLOAT16_VECTOR)


def ask(connection: Connection, method: str, name: str, **named: Any) -> Any:  # noqa: ANN401 - as pymilvus has them
    """Call a method of a store; raises as `Connection.call`."""
    try:
        return connection.call(method, name, **named)
    except NotLoaded:
        # a server that was restarted has its stores on disk only
        connection.call("load_collection", name, timeout_s=LOAD_S)
        return connection.call(method, name, **named)


def count_rows(connection: Connection, name: str) -> int:
    """Rows of a store, every write of everybody included: this waits for them."""
    counted = ["count(*)"]
    found = ask(
        connection, "query", name, filter="", output_fields=counted, consistency_level="Strong", timeout_s=LOAD_S
    )
    return int(found[0][counted[0]])


def settle(connection: Connection, name: str) -> None:
    """Wait until a store's rows are safe in its server's storage, and its index is built.

    Raises:
        MilvusError: that took longer than an hour.
    """
    connection.call("flush", name, timeout_s=LOAD_S)
    until = time.monotonic() + SETTLE_S
    while int((connection.call("describe_index", name, VECTOR) or {}).get("pending_index_rows", 0)):
        if time.monotonic() >= until:
            raise MilvusError(
                f"the index of {name} is not built after {SETTLE_S:.0f} s: look at the server, push again"
            )
        time.sleep(_SETTLE_PAUSE_S)


def drop_store(connection: Connection, name: str) -> None:
    """Remove a store, if it is there. Never called with an alias: milvus-lite would remove what that points at."""
    connection.call("drop_collection", name, timeout_s=LOAD_S)


def aliased(connection: Connection, alias: str) -> str | None:
    """The store that an alias points at."""
    try:
        return str(connection.call("describe_alias", alias)["collection_name"])
    except MilvusError as error:
        # servers have different codes for it
        if isinstance(error, MilvusMismatch) or "alias" in str(error):
            return None
        raise


def point_alias(connection: Connection, alias: str, name: str) -> None:
    """Let an alias point at a store from now on; one step, whatever it pointed at before."""
    before = aliased(connection, alias)
    if before != name:
        connection.call("create_alias" if before is None else "alter_alias", name, alias)


def drop_alias(connection: Connection, alias: str) -> None:
    """Remove an alias, if it is there."""
    if aliased(connection, alias) is not None:
        connection.call("drop_alias", alias)
