"""Copying a collection's vectors to a Milvus: all of them once, then what changed; checked before they are served.

A first push fills two new stores, from the collection at one version, and keeps a journal (`push.json`) of how far it is:
killed at any moment, the next one goes on from there. When both are full, checked and settled, the aliases are pointed at
them and `engine.json` is replaced: that is the publication. A later push writes what changed into the same stores; killed,
the next one writes it again, to the same end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from index.collection import Collection
from index.errors import CollectionMissing, MilvusMismatch
from index.generations import served
from index.lease import lease
from index.milvus.connection import JOB_PATIENCE_S, Connection
from index.milvus.engine import ENGINE_FILE, JOURNAL_FILE, EngineRecord, Pushed, own_stores, read_record, write_record
from index.milvus.kept import keep_pushed, release_pushed
from index.milvus.names import KINDS, Kind, alias_of, store_of
from index.milvus.part import MilvusPart
from index.milvus.store import (
    Index,
    aliased,
    create_store,
    default_index,
    drop_alias,
    drop_store,
    open_store,
    point_alias,
    settle,
)
from index.milvus.stored import Stored
from index.milvus.target import Target, target_of
from index.milvus.transfer import catch_up, check, fill
from index.publish import current

_LEASE = "push.lease"
# A journal costs a few milliseconds; what was sent after the last one is sent again.
_JOURNAL_ROWS = 50_000


@dataclass(frozen=True)
class PushProgress:
    """So many rows of a kind were sent, of so many; *of* is None where only changes are sent."""

    kind: Kind
    sent: int
    of: int | None


Report = Callable[[PushProgress], None]


@dataclass(frozen=True)
class PushOptions:
    """How to push.

    Attributes:
        index: how the server shall search; None = as it is, or what suits it.
        anew: fill new stores though the old ones could be brought up to date.
        take_over: let the aliases name our stores though they name somebody else's.
    """

    index: Index | None = None
    anew: bool = False
    take_over: bool = False


def push(
    collection: Collection,
    target: Target,
    *,
    token: str = "",
    options: PushOptions = PushOptions(),
    report: Report = lambda progress: None,
) -> EngineRecord:
    """Bring a Milvus up to what is in *collection* now, and let it answer.

    Raises:
        LeaseHeld: another push of the collection is running.
        MilvusUnreachable, MilvusDenied, MilvusNotInstalled: see `index.errors`; the same command goes on later.
        MilvusMismatch: what arrived is not what was sent, or the aliases are somebody else's.
    """
    with (
        lease(collection.home, "pushing to Milvus", file_name=_LEASE),
        Connection.open(target, token=token, patience_s=JOB_PATIENCE_S) as connection,
    ):
        pinned = collection.latest()
        job = _Push(connection, pinned, options, report)
        # before anything is sent, for it takes hours
        if not options.take_over:
            _refuse_foreign(connection, pinned)
        # for the hours that it may take, and for whoever reads what was pushed
        keep_pushed(pinned)
        record = job.continued() or job.filled()
        release_pushed(pinned)
        if collection.generation == served(collection.home):
            point_aliases(connection, record)
        return record


def point_aliases(connection: Connection, record: EngineRecord) -> None:
    """Let the aliases of a collection name the stores of *record*; a generation that is served again asks for it."""
    for kind in KINDS:
        point_alias(connection, alias_of(record.collection, kind), record.pushed.store(kind))


def name_served(collection: Collection, *, token: str = "") -> None:
    """Let the aliases name what was pushed of this generation, which serves again; nothing where FAISS answers for it.

    Raises:
        LeaseHeld: a push of the collection is running.
        MilvusUnreachable, MilvusDenied, MilvusNotInstalled: see `index.errors`.
        MilvusMismatch: its stores are gone, or the aliases are somebody else's.
    """
    record = read_record(collection.path)
    if record is None or not record.serving:
        return
    with (
        lease(collection.home, "pointing the aliases", file_name=_LEASE),
        Connection.open(target_of(record.uri), token=token) as connection,
    ):
        _refuse_foreign(connection, collection)
        for kind in KINDS:
            open_store(connection, record.pushed.store(kind))
        point_aliases(connection, record)


def take_back(collection: Collection) -> None:
    """Let the FAISS snapshot answer again; the stores wait for the next push.

    Raises:
        SnapshotMissing: nothing was published that could answer.
    """
    with lease(collection.home, "going back to FAISS", file_name=_LEASE):
        record = read_record(collection.path)
        if record is not None:
            current(collection.path)
            write_record(collection.path, record.model_copy(update={"serving": False}))


def go_back(collection: Collection, *, token: str = "") -> EngineRecord:
    """Let the stores answer that were served before the last push that filled new ones.

    Raises:
        MilvusMismatch: there are none.
        MilvusUnreachable, MilvusDenied, MilvusNotInstalled: see `index.errors`.
    """
    with lease(collection.home, "going back", file_name=_LEASE):
        record = read_record(collection.path)
        if record is None or record.previous is None:
            raise MilvusMismatch(f"collection {collection.info.name} has no earlier push to go back to")
        swapped = record.model_copy(update={"pushed": record.previous, "previous": record.pushed, "serving": True})
        with Connection.open(target_of(record.uri), token=token, patience_s=JOB_PATIENCE_S) as connection:
            for kind in KINDS:
                open_store(connection, swapped.pushed.store(kind))
            written = write_record(collection.path, swapped)
            point_aliases(connection, written)
        return written


def discard(collection: Collection, *, token: str = "") -> None:
    """Remove what was pushed of this generation of the collection, and the aliases that name it; FAISS answers then.

    Raises:
        MilvusUnreachable, MilvusDenied, MilvusNotInstalled: see `index.errors`; nothing is forgotten.
    """
    with lease(collection.home, "removing what was pushed", file_name=_LEASE):
        for file_name in (JOURNAL_FILE, ENGINE_FILE):
            record = read_record(collection.path, file_name)
            if record is not None:
                with Connection.open(target_of(record.uri), token=token, patience_s=JOB_PATIENCE_S) as connection:
                    _remove(connection, record)
                (collection.path / file_name).unlink()
        release_pushed(collection)


def _remove(connection: Connection, record: EngineRecord) -> None:
    for alias in (alias_of(record.collection, kind) for kind in KINDS):
        if aliased(connection, alias) in record.stores():
            drop_alias(connection, alias)
    for store in record.stores():
        drop_store(connection, store)


def _refuse_foreign(connection: Connection, collection: Collection) -> None:
    """Somebody else may have a collection of that name there.

    Raises:
        MilvusMismatch: an alias of its names what it did not push.
    """
    own = own_stores(collection.home)
    for alias in (alias_of(collection.info.name, kind) for kind in KINDS):
        found = aliased(connection, alias)
        if found is not None and found not in own:
            raise MilvusMismatch(
                f"the alias {alias} in {connection.target.uri} names {found}, which this collection did not push: "
                "give each installation a database of its own (milvus://host/database), or --take-over the alias"
            )


class _Push:
    """One push over an open connection, of a collection pinned at its latest version."""

    def __init__(self, connection: Connection, pinned: Collection, options: PushOptions, report: Report) -> None:
        self._connection = connection
        self._pinned = pinned
        self._options = options
        self._report = report
        self._record = read_record(pinned.path)

    def continued(self) -> EngineRecord | None:
        """Write what changed into the stores that are there; None where only new ones will do."""
        record = self._record
        if record is None or self._options.anew or not self._goes_on_from(record):
            return None
        pushed = self._caught_up(record.pushed)
        return write_record(self._pinned.path, record.model_copy(update={"pushed": pushed, "serving": True}))

    def filled(self) -> EngineRecord:
        """Fill new stores, or go on filling those that an earlier push began."""
        journal = self._journal()
        pushed, dim = journal.pushed, self._pinned.info.dim
        # both before a row is sent: a push whose stores are there is gone on with
        made = {kind: create_store(self._connection, pushed.store(kind), dim, pushed.index) for kind in KINDS}
        for kind in KINDS:
            journal = self._fill(journal, kind, MilvusPart(self._connection, made[kind]))
        for kind in KINDS:
            settle(self._connection, journal.pushed.store(kind))
        # a first push takes hours, and nobody stopped writing
        pushed = self._caught_up(journal.pushed)
        before = self._record if self._record is not None and self._record.uri == journal.uri else None
        record = journal.model_copy(update={"pushed": pushed, "previous": before.pushed if before else None})
        record = write_record(self._pinned.path, record)
        (self._pinned.path / JOURNAL_FILE).unlink(missing_ok=True)
        if before is not None and before.previous is not None:
            for store in before.previous.stores() - record.stores():
                drop_store(self._connection, store)
        return record

    def _fill(self, journal: EngineRecord, kind: Kind, part: MilvusPart) -> EngineRecord:
        pushed = journal.pushed
        old = self._pinned.at(pushed.items_version, pushed.captions_version)
        stored = _stored(old, kind)
        total, written = stored.count(), pushed.rows(kind)

        def sent(place: int) -> None:
            nonlocal journal, written
            self._report(PushProgress(kind, place, total))
            if place - written >= _JOURNAL_ROWS or place == total:
                written = place
                counted = journal.model_copy(update={"pushed": journal.pushed.counting(kind, place)})
                journal = write_record(self._pinned.path, counted, JOURNAL_FILE)

        fill(part, stored, written, sent)
        return journal

    def _caught_up(self, pushed: Pushed) -> Pushed:
        """The stores at the pinned versions, checked."""
        old = self._pinned.at(pushed.items_version, pushed.captions_version)
        for kind in KINDS:
            part = MilvusPart.open(self._connection, pushed.store(kind))
            stored = _stored(self._pinned, kind)
            catch_up(part, stored, _stored(old, kind).dataset, lambda sent, kind=kind: self._tell(kind, sent))
            pushed = pushed.counting(kind, check(self._connection, part, stored))
        versions = {"items_version": self._pinned.version, "captions_version": self._pinned.captions_version}
        return pushed.model_copy(update={**versions, "pushed_at": _now()})

    def _tell(self, kind: Kind, sent: int) -> None:
        self._report(PushProgress(kind, sent, None))

    def _journal(self) -> EngineRecord:
        """Of the unfinished push that is gone on with, or of a new one; stores of one that is not are removed."""
        journal = read_record(self._pinned.path, JOURNAL_FILE)
        uri = self._connection.target.uri
        if journal is not None and not self._options.anew:
            if journal.uri != uri:
                raise MilvusMismatch(
                    f"a push to {journal.uri} was begun and not finished: finish it first, or forget it with --anew"
                )
            if self._goes_on_from(journal):
                return journal
        if journal is not None and journal.uri == uri:
            for store in journal.pushed.stores():
                drop_store(self._connection, store)
        journal = _new_record(self._pinned, uri, self._options.index or default_index(self._connection))
        # before there is a store: none is ever forgotten
        return write_record(self._pinned.path, journal, JOURNAL_FILE)

    def _goes_on_from(self, record: EngineRecord) -> bool:
        """Whether what *record* names is there, in Milvus and in Lance, and wanted."""
        pushed, now = record.pushed, self._pinned
        if record.uri != self._connection.target.uri or not record.is_of(now.info):
            return False
        if self._options.index not in (None, pushed.index):
            return False
        if pushed.items_version > now.version or pushed.captions_version > now.captions_version:
            # restored from a copy: its next rows get the ids of others
            return False
        try:
            now.at(pushed.items_version, pushed.captions_version)
        except CollectionMissing:
            return False
        return all(self._connection.call("has_collection", store) for store in pushed.stores())


def _new_record(pinned: Collection, uri: str, index: Index) -> EngineRecord:
    info = pinned.info
    pushed = Pushed(
        images=store_of(info.name, "images", info.bundle_digest, pinned.version),
        texts=store_of(info.name, "texts", info.bundle_digest, pinned.captions_version),
        index=index,
        items_version=pinned.version,
        captions_version=pinned.captions_version,
        items=0,
        captions=0,
        pushed_at=_now(),
    )
    return EngineRecord(
        collection=info.name,
        created_at=info.created_at,
        bundle_digest=info.bundle_digest,
        bundle_name=info.bundle_name,
        dim=info.dim,
        uri=uri,
        serving=True,
        pushed=pushed,
    )


def _stored(collection: Collection, kind: Kind) -> Stored:
    return Stored(collection.items if kind == "images" else collection.captions, collection.info.dim)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
