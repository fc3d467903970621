"""From the items of a request to changes of a collection."""

import asyncio
import base64
from pathlib import Path

import pytest
from pydantic import JsonValue

from index.fields.types import Field
from service.encoding import urgency
from service.errors import CollectionUnknown, QueryInvalid, WritesOff
from service.ingest import _Making, _warnings, put_items, remove_items
from service.runtime import Runtime
from service.schemas.items import PutItem
from tests.index.reindex.support import NAME, change, make_home, make_models, run
from tests.service.test_runtime import is_served, until, with_runtime
from tests.support.collections import colour_picture, make_colours, make_painted


def picture(colour: str) -> str:
    """As a request has it."""
    return base64.b64encode(colour_picture(colour, 9)).decode()


def test_the_answers_keep_the_order_of_the_request(tmp_path: Path, tiny_bundle: Path) -> None:
    """Whatever takes longer: the n-th result is of the n-th item."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        items = [{"id": f"n-{number}", **({"image": picture("red")} if number % 3 else {})} for number in range(12)]
        answer = await put_items(runtime, "colours", items)
        assert [f"n-{number}" for number in range(12)] == [each.id for each in answer.results]
        assert [number % 3 == 0 for number in range(12)] == [each.status == "rejected" for each in answer.results]

    with_runtime(use, tmp_path, max_batch=2)


def test_warnings_are_few_and_short() -> None:
    """A result does not grow with what was sent: the first misfits are told, cut, and how many more there are."""
    fields = [Field(f"n{number}", "int") for number in range(100)]
    told = _warnings({field.name: "x" * 60_000 for field in fields}, fields)

    assert ["metadata.n0: 'xxx", "and 84 more"] == [told[0][:17], told[-1][:11]]
    assert 17 == len(told)
    assert max(map(len, told)) < 200
    assert 16 == len(_warnings(dict.fromkeys([field.name for field in fields[:16]], "x"), fields))


def test_a_misfit_is_shown_as_json_and_cut() -> None:
    """Whatever was sent, of any depth and size, is told by its first characters; what is short is told whole."""
    field = Field("n", "int")
    cases: list[tuple[JsonValue, str]] = [
        ("abc", "metadata.n: 'abc' is"),
        (["a", {"b": None}], 'metadata.n: ["a", {"b": null}] is'),
        ([1] * 100_000, "metadata.n: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, …"),
    ]

    for value, expected in cases:
        (told,) = _warnings({"n": value}, [field])
        assert told.startswith(expected)


def test_who_writes_does_not_watch(tmp_path: Path, tiny_bundle: Path) -> None:
    """What is put and what is removed is batch work, unless its client said otherwise."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        for said, expected in ((None, urgency.BATCH), ("u=1", 1)):
            urgency.begin(said)
            await put_items(runtime, "colours", [{"id": "new", "image": picture("red")}])
            assert expected == urgency.urgency()
            urgency.begin(said)
            await remove_items(runtime, "colours", ["new"])
            assert expected == urgency.urgency()

    with_runtime(use, tmp_path)


def test_patches_are_stored_where_the_collection_keeps_them(tmp_path: Path, proof_bundle: Path) -> None:
    """An item that comes by request can be proofread like those that the job embedded."""
    make_painted(tmp_path, proof_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "painted"))
        await put_items(runtime, "painted", [{"id": "new", "image": picture("red")}])
        stored = runtime.served("painted").searcher.patches(["new"])
        assert stored["new"]

    with_runtime(use, tmp_path)


def test_captions_are_cleaned_as_the_job_does(tmp_path: Path, tiny_bundle: Path) -> None:
    """Blank captions and repeated ones are left out; one that the model cuts is stored whole, and told."""
    make_colours(tmp_path, tiny_bundle)
    long = "red " * 500

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        captions = ["  red ", "red", " ", long]
        answer = await put_items(runtime, "colours", [{"id": "new", "image": picture("red"), "captions": captions}])
        record = runtime.served("colours").searcher.record("new")
        assert record is not None
        assert ("red", long.strip()) == record.captions
        assert answer.results[0].truncated

    with_runtime(use, tmp_path)


@pytest.mark.parametrize("field", ["image", "captions"])
def test_an_item_that_met_a_change_of_models_is_embedded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Another model takes over while an item is being embedded for the old one: its vectors are the new one's in the end."""
    home = make_home(tmp_path / "home", make_models(tmp_path / "models"))
    plain, changed = _Making.put, list[str]()

    async def put(self: _Making, item: PutItem) -> object:
        made = await plain(self, item)
        if not changed:
            changed.append(item.id)
            await asyncio.to_thread(lambda: run(change(home)))
        return made

    monkeypatch.setattr(_Making, "put", put)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, NAME))
        old = runtime.served(NAME).searcher.manifest.bundle_digest
        known = runtime.served(NAME).searcher.first(1)[0].id
        item = {"id": "new", "image": picture("red")} if field == "image" else {"id": known, "captions": ["changed"]}
        answer = await put_items(runtime, NAME, [item])
        assert ["created" if field == "image" else "updated"] == [each.status for each in answer.results], answer
        searcher = runtime.served(NAME).searcher
        assert old != searcher.manifest.bundle_digest
        record = searcher.record(str(item["id"]))
        assert record is not None
        assert tuple(item.get("captions", ())) == record.captions
        vector = searcher.vector(record.id)
        assert vector is not None
        assert (searcher.dim,) == vector.shape

    with_runtime(use, home)


def test_what_is_refused_whole(tmp_path: Path, tiny_bundle: Path) -> None:
    """Too many items, a collection that is not there, a service that takes no writes: nothing is written."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        with pytest.raises(QueryInvalid, match="3 items, 2 are allowed") as of_ids:
            await remove_items(runtime, "colours", ["a", "b", "c"])
        with pytest.raises(QueryInvalid, match="3 items, 2 are allowed") as of_items:
            await put_items(runtime, "colours", [{}, {}, {}])
        assert ("ids", "items") == (of_ids.value.field, of_items.value.field)
        with pytest.raises(CollectionUnknown):
            await put_items(runtime, "none", [{}])

    async def forbidden(runtime: Runtime) -> None:
        with pytest.raises(WritesOff, match="VILEM_WRITES"):
            await remove_items(runtime, "colours", ["red-0"])

    with_runtime(use, tmp_path, max_write_items=2)
    with_runtime(forbidden, tmp_path, writes=False)
