"""Items of a request become changes of a collection: checked, embedded, written, each by itself."""

import asyncio
import hashlib
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from pydantic import JsonValue, TypeAdapter, ValidationError

from index.errors import BundleMismatch, CollectionError
from index.fields.columns import misfits_of
from index.fields.types import BUILT_IN, Field
from index.live.writes import Put, Remove
from index.schema import Record, check_captions, check_id, metadata_to_json
from index.sources.item import split_fields
from index.uploads import keep
from models.errors import InputError
from service.encoding import urgency
from service.encoding.embedding import Timings
from service.encoding.inputs import checked_vector, decode_base64, told_by
from service.errors import ItemUnknown, NotReady, QueryInvalid, ServiceError, WritesOff
from service.guard.hosts import is_loopback
from service.problems import named, problem_of, problem_of_invalid, within
from service.runtime import Runtime
from service.schemas.items import PutItem, WriteAnswer, WriteResult
from service.served import Served
from service.writing import Written

_WHERE = "items"
_ID = TypeAdapter(str)
_PAUSE_S = 0.02
# An answer must not grow with what is sent: of an item's misfits so many are told, and of a value so many characters.
_MAX_WARNINGS = 16
_MAX_SHOWN = 40


async def put_items(runtime: Runtime, name: str, items: Sequence[object]) -> WriteAnswer:
    """Write items; one that cannot be written does not keep the others out.

    Raises:
        WritesOff, QueryInvalid, CollectionUnknown, NotReady: nothing was written.
    """
    urgency.prefer(urgency.BATCH)
    ids = [_id(item) for item in items]
    served = _writable(runtime, name, ids, _WHERE)
    timings, repeated = Timings(runtime.metrics), _repeated(ids)
    # those of the metadata: what every item has comes from its picture
    fields = [field for field in served.searcher.fields if field.name not in BUILT_IN]

    async def write(place: int) -> WriteResult:
        item_id = ids[place]
        _expect_once(item_id, repeated, f"{_WHERE}.{place}.id")
        item = PutItem.model_validate(items[place])
        try:
            made, done = await _Making(runtime, served, place, timings).write(item)
        except BundleMismatch:
            # meanwhile another model took over: what was embedded for the old one is embedded again
            made, done = await _Making(runtime, await _successor(runtime, served), place, timings).write(item)
        if done.outcome == "unknown":
            raise ItemUnknown(f"there is no item {item_id!r} to keep the picture of: send image or vector")
        told = _warnings(item.metadata, fields)
        return WriteResult(id=item_id, status=done.outcome, truncated=made.truncated, warnings=told)

    return await _answer(runtime, name, ids, write, timings, _WHERE)


async def remove_items(runtime: Runtime, name: str, given: Sequence[object]) -> WriteAnswer:
    """Remove the items of the ids *given*; what cannot be an id does not keep the others in. Raises as `put_items`."""
    # as what is put: the two keep the order in which they came
    urgency.prefer(urgency.BATCH)
    ids = [each if isinstance(each, str) else None for each in given]
    _writable(runtime, name, ids, "ids")
    timings, repeated = Timings(runtime.metrics), _repeated(ids)

    async def write(place: int) -> WriteResult:
        _expect_once(ids[place], repeated, f"ids.{place}")
        item_id = _ID.validate_python(given[place])
        check_id(item_id)
        with timings.stage("write"):
            done = await runtime.writers.of(name).write(Remove(item_id))
        assert done.outcome in ("removed", "absent")
        return WriteResult(id=item_id, status=done.outcome)

    return await _answer(runtime, name, ids, write, timings, "ids")


@dataclass(frozen=True)
class _Made:
    put: Put
    truncated: bool


@dataclass(frozen=True)
class _Making:
    """The making of one change, of the item at a *place* of the request."""

    runtime: Runtime
    served: Served
    place: int
    timings: Timings

    async def write(self, item: PutItem) -> tuple[_Made, Written]:
        """Make the change, and write it.

        Raises:
            BundleMismatch: the collection has another model by now.
            CollectionError, ServiceError, InputError: as `put`, and as `Writer.write`.
        """
        made = await self.put(item)
        with self.timings.stage("write"):
            return made, await self.runtime.writers.of(self.served.searcher.name).write(made.put)

    async def put(self, item: PutItem) -> _Made:
        """The change.

        Raises:
            ItemInvalid: a rule of the schema is broken.
            InputError: the image or a caption cannot be read.
            ServiceError: as `Embedder`, `checked_vector` and `decode_base64`.
        """
        captions, _ = split_fields({"captions": item.captions})
        check_id(item.id)
        check_captions(captions)
        metadata_to_json(item.metadata)
        vectors, truncated = await self._captions(captions)
        digest = self.served.searcher.manifest.bundle_digest
        if item.image is not None:
            return _Made(await self._with_image(item, item.image, captions, vectors, digest), truncated)
        record = Record(item.id, "", "", 0, 0, captions, item.metadata)
        vector = None
        if item.vector is not None:
            vector = checked_vector(item.vector, self.served.searcher.dim, f"{self._field}.vector")
        return _Made(Put(record, vector, vectors, digest), truncated)

    @property
    def _field(self) -> str:
        return f"{_WHERE}.{self.place}"

    async def _captions(self, captions: Sequence[str]) -> tuple[np.ndarray, bool]:
        embedder, model = self.runtime.embedder, self.served.model
        found = [
            await embedder.text(model, text, self.timings, field=f"{self._field}.captions.{at}")
            for at, text in enumerate(captions)
        ]
        dim = self.served.searcher.dim
        vectors = np.stack([each.vector for each in found]) if found else np.zeros((0, dim), np.float32)
        return vectors, any(each.truncated for each in found)

    async def _with_image(
        self, item: PutItem, image: str, captions: tuple[str, ...], vectors: np.ndarray, digest: str
    ) -> Put:
        runtime, model, searcher = self.runtime, self.served.model, self.served.searcher
        data = await runtime.decoders.run(lambda: decode_base64(image, f"{self._field}.image"))
        with told_by(f"{self._field}.image"):
            embedded = await runtime.embedder.image(model, data, self.timings)
        assert embedded.prepared is not None
        patches = None
        if searcher.keeps_patches and model.bundle.digest == digest and model.cannot_proofread is None:
            patches = await runtime.embedder.patches_of(model, embedded.prepared.pixels, self.timings)
        sha256 = await runtime.decoders.run(lambda: hashlib.sha256(data).hexdigest())
        # before the row: a row never names a file that is not there
        uri = await runtime.files.run(lambda: keep(searcher.folder, data, sha256))
        size = embedded.prepared.width, embedded.prepared.height
        return Put(
            Record(item.id, uri, sha256, *size, captions, item.metadata), embedded.vector, vectors, digest, patches
        )


def _writable(runtime: Runtime, name: str, ids: Sequence[object], where: str) -> Served:
    settings = runtime.settings
    if not (runtime.keyring.guarded or is_loopback(settings.host) if settings.writes is None else settings.writes):
        raise WritesOff(
            "this service takes no writes: it is bound to an address that others reach, and has no keys; make one with the "
            "scope write, or set VILEM_WRITES=true where only those can reach it who may write"
        )
    most = settings.max_write_items
    if len(ids) > most:
        raise QueryInvalid(where, f"{len(ids)} items, {most} are allowed in a request: send them in several")
    served = runtime.served(name)
    if not os.access(served.searcher.folder, os.W_OK):
        raise WritesOff(
            f"collection {name!r} cannot be written: its folder is read-only to the service (docs/docker.md)"
        )
    return served


async def _successor(runtime: Runtime, served: Served) -> Served:
    """The collection once another model than *served* has is served.

    Raises:
        NotReady: that takes longer than a request may.
    """
    name, old = served.searcher.name, served.searcher.manifest.bundle_digest
    loop = asyncio.get_running_loop()
    until = loop.time() + served.deadline_s
    while (now := runtime.served(name)).searcher.manifest.bundle_digest == old:
        if loop.time() >= until:
            raise NotReady(f"collection {name!r} is changing its model: send the item again in a moment")
        await asyncio.sleep(_PAUSE_S)
    return now


async def _answer(
    runtime: Runtime,
    name: str,
    ids: Sequence[str | None],
    write: Callable[[int], Awaitable[WriteResult]],
    timings: Timings,
    where: str,
) -> WriteAnswer:
    # no more at a time than share a batch: one request must not fill the queues
    turn = asyncio.Semaphore(min(runtime.settings.max_batch, runtime.settings.max_queue))

    async def one(place: int) -> WriteResult:
        async with turn:
            try:
                return await write(place)
            except ValidationError as error:
                problem = within(problem_of_invalid(error.errors()), f"{where}.{place}")
            except (ServiceError, CollectionError, InputError) as error:
                problem = problem_of(error)
        return WriteResult(id=_shown(ids[place]), status="rejected", problem=named(problem))

    with timings.stage("total"):
        results = await asyncio.gather(*(one(place) for place in range(len(ids))))
    # of one searcher: of two the version may be another generation's
    searcher = runtime.served(name).searcher
    return WriteAnswer(
        results=results,
        collection=name,
        generation=searcher.generation,
        version=searcher.version,
        took_ms=timings.ms,
    )


def _warnings(metadata: Mapping[str, JsonValue], fields: Sequence[Field]) -> list[str]:
    """What of an item's metadata is stored and yet seen by no filter."""
    found = misfits_of(metadata, fields)
    told = [
        f"metadata.{field.name}: {_cut(value)} is no value of {field}: it is stored, and filters and facets do not see it"
        for field, value in found[:_MAX_WARNINGS]
    ]
    left = len(found) - len(told)
    return [*told, f"and {left} more values that do not fit their fields"] if left else told


def _cut(value: JsonValue) -> str:
    # a value may be as large as a request: no more of it is written than is shown
    if isinstance(value, str):
        text = repr(value[: _MAX_SHOWN + 1])
    else:
        text = "".join(islice(json.JSONEncoder(ensure_ascii=False).iterencode(value), _MAX_SHOWN + 1))
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _repeated(ids: Sequence[str | None]) -> set[str]:
    return {item_id for item_id, count in Counter(ids).items() if item_id is not None and count > 1}


def _expect_once(item_id: str | None, repeated: Container[str], where: str) -> None:
    if item_id is not None and item_id in repeated:
        raise QueryInvalid(where, f"{item_id[:100]!r} comes more than once: send each item once")


def _id(item: object) -> str | None:
    found = item.get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str) else None


def _shown(item_id: str | None) -> str | None:
    # half a surrogate pair, as JSON may hold it, cannot be written
    return None if item_id is None else item_id[:512].encode(errors="backslashreplace").decode()
