"""What lives as long as the app: loading, swapping, refusing."""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.live.changes import NO_COMMITS, Commits
from index.live.view import View
from index.publish import current, publish
from index.text_model import choose_text_model
from models.bundle import Bundle
from models.manifest import MANIFEST_NAME, read_manifest
from models.ort import available_cores
from service.encoding import urgency
from service.encoding.embedding import Timings
from service.encoding.models import Tokens
from service.encoding.yielding import COMPUTING
from service.errors import CollectionUnavailable, CollectionUnknown, ModelUnknown, NotReady, QueryInvalid, QueueFull
from service.operations.metrics import Metrics
from service.runtime import Runtime
from service.served import Served
from service.settings import Settings
from tests.support.collections import link_bundle, make_colours, make_painted
from tests.support.german_bundle import make_german
from tests.support.tiny_bundle import make_tiny_bundle

PATIENCE_S = 30.0


def with_runtime(use: Callable[[Runtime], Awaitable[None]], home: Path, **settings: object) -> Runtime:
    """Run *use* with a started runtime over *home*; snapshots are looked for every few milliseconds."""

    async def run() -> Runtime:
        runtime = Runtime(Settings.model_validate({"home": home, "poll_s": 0.01, **settings}), Metrics())
        runtime.start()
        try:
            await use(runtime)
        finally:
            await runtime.close()
        return runtime

    return asyncio.run(run())


def take_away(folder: Path) -> None:
    """Have a folder gone at once: one that is emptied file by file may be given another by those who still serve it."""
    # beside what is served, not in it
    home = folder.parents[1] if folder.parent.name == "collections" else folder.parent
    gone = folder.rename(home / f"{folder.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.005)


def is_served(runtime: Runtime, name: str) -> bool:
    """Whether a collection of that name is served now."""
    return name in [served.searcher.name for served in runtime.collections]


def test_a_published_collection_is_served_with_its_own_model(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection is searched with the bundle whose digest its snapshot names."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        served = runtime.served("colours")
        assert served.searcher.manifest.bundle_digest == served.model.bundle.digest
        vector = (await runtime.embedder.text(served.model, "blue", Timings(runtime.metrics))).vector
        assert "blue" == (await served.find(vector, 1, "images"))[0].id.split("-")[0]
        assert {} == await runtime.check()

    with_runtime(use, tmp_path)


def test_before_loading_is_done_nothing_is_unknown(tmp_path: Path, tiny_bundle: Path) -> None:
    """A name asked for while loading is NotReady, not "unknown": it may be there in a second."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        with pytest.raises(NotReady, match="loading"):
            runtime.served("colours")
        with pytest.raises(NotReady, match="loading"):
            runtime.model("tiny")
        with pytest.raises(NotReady, match="loading"):
            await runtime.check()

    with_runtime(use, tmp_path)


def test_unknown_names_are_unknown_once_loaded(tmp_path: Path, tiny_bundle: Path) -> None:
    """After loading, a collection or model that is not there is said to be unknown, with a way to see those that are."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        with pytest.raises(CollectionUnknown, match="GET /v1/collections"):
            runtime.served("cats")
        await until(lambda: runtime._loaded)
        with pytest.raises(ModelUnknown, match="loaded: tiny"):
            runtime.model("huge")

    with_runtime(use, tmp_path)


@pytest.mark.parametrize(("asked", "expected"), [(0, available_cores()), (3, 3)])
def test_pictures_are_decoded_on_every_core(tmp_path: Path, asked: int, expected: int) -> None:
    """As many pictures at a time as there are cores, or as the setting says."""

    async def use(runtime: Runtime) -> None:
        assert expected == len(runtime.decoders._calls._workers)

    with_runtime(use, tmp_path, decode_threads=asked)


def test_an_empty_home_is_ready(tmp_path: Path) -> None:
    """A service without collections is ready to say so."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._loaded)
        assert {} == await runtime.check()
        assert [] == runtime.collections

    with_runtime(use, tmp_path)


def test_a_new_snapshot_takes_over(tmp_path: Path, tiny_bundle: Path) -> None:
    """What is published while the service runs is served without a restart, under the new version."""
    make_colours(tmp_path, tiny_bundle)
    bundle = Bundle.open(tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        before = runtime.served("colours").searcher.manifest.id
        collection = Collection.open(tmp_path / "collections", "colours")
        published = await asyncio.to_thread(publish, collection)
        await until(lambda: runtime.served("colours").searcher.manifest.id != before)
        assert published.id == runtime.served("colours").searcher.manifest.id
        vector = bundle.embed_texts(["red"]).vectors[0]
        assert 3 == len(await runtime.served("colours").find(vector, 3, "images"))

    with_runtime(use, tmp_path)


def test_what_cannot_be_followed_is_opened_anew(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault while a write is followed is told, and soon over: what was removed is found no more, and searches went on."""
    make_colours(tmp_path, tiny_bundle)
    vector, follow, faults = Bundle.open(tiny_bundle).embed_texts(["red"]).vectors[0], View.advanced, list[int]()

    def unlucky(view: View, to: Collection, made: Commits = NO_COMMITS) -> View:
        # of the snapshot that is opened anew, all is read
        if to.version > view.collection.version and view.collection.version > opened:
            faults.append(to.version)
            raise KeyError("a fault that nobody knows")
        return follow(view, to, made)

    async def use(runtime: Runtime) -> None:
        nonlocal opened
        await until(lambda: is_served(runtime, "colours"))
        collection = Collection.open(tmp_path / "collections", "colours")
        opened = runtime.served("colours").searcher.version
        collection.delete(["red-0"])
        await until(lambda: runtime.served("colours").searcher.record("red-0") is None)
        monkeypatch.setattr(View, "advanced", unlucky)
        collection.delete(["red-1"])
        await until(lambda: runtime.served("colours").searcher.record("red-1") is None)
        assert faults
        assert (None, False) == (runtime.served("colours").behind, runtime.served("colours").stuck)
        assert {"red-0", "red-1"}.isdisjoint(
            hit.id for hit in await runtime.served("colours").find(vector, 9, "images")
        )

    opened = 0
    with_runtime(use, tmp_path)


def test_a_collection_that_appears_is_served(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection made and published while the service runs is served, beside those that were there."""
    make_colours(tmp_path, tiny_bundle, "first")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "first"))
        await asyncio.to_thread(make_colours, tmp_path, tiny_bundle, "second")
        await until(lambda: is_served(runtime, "second"))
        assert is_served(runtime, "first")

    with_runtime(use, tmp_path)


def test_a_collection_that_is_removed_is_no_longer_served(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection whose folder is gone becomes unknown."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        take_away(tmp_path / "collections" / "colours")
        await until(lambda: not is_served(runtime, "colours"))
        with pytest.raises(CollectionUnknown):
            runtime.served("colours")

    with_runtime(use, tmp_path)


def test_a_missing_bundle_refuses_only_its_collections(tmp_path: Path, tiny_bundle: Path) -> None:
    """A collection whose bundle is not there is refused with its name and what to do; others are served."""
    make_colours(tmp_path, tiny_bundle, "good")
    other = make_tiny_bundle(tmp_path / "elsewhere" / "other", seed=5)
    make_colours(tmp_path, other, "orphan")
    (tmp_path / "bundles" / "other").unlink()

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "good") and "orphan" in runtime.unavailable)
        assert "'other'" in runtime.unavailable["orphan"]
        assert "copy it there" in runtime.unavailable["orphan"]
        with pytest.raises(CollectionUnavailable) as refused:
            runtime.served("orphan")
        assert "'other'" in refused.value.reason
        link_bundle(tmp_path, other)
        await until(lambda: is_served(runtime, "orphan"))
        assert {} == runtime.unavailable

    with_runtime(use, tmp_path)


def test_a_collection_never_published_is_refused_with_the_reason(tmp_path: Path) -> None:
    """A collection without a snapshot is unavailable, and the reason says how to publish it."""
    Collection.create(tmp_path / "collections", "new", dim=16, bundle_digest="0" * 64, bundle_name="tiny")

    async def use(runtime: Runtime) -> None:
        await until(lambda: "new" in runtime.unavailable)
        assert "never published" in runtime.unavailable["new"]
        with pytest.raises(CollectionUnavailable, match="ask its operator") as refused:
            runtime.served("new")
        assert "never published" in refused.value.reason

    with_runtime(use, tmp_path)


def test_a_damaged_snapshot_is_refused_and_the_old_one_goes_on(tmp_path: Path, tiny_bundle: Path) -> None:
    """When the newly named snapshot is altered, the one that was served stays, and the fault is told."""
    make_colours(tmp_path, tiny_bundle)
    bundle = Bundle.open(tiny_bundle)
    root = tmp_path / "collections" / "colours"

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        served = runtime.served("colours").searcher.manifest.id
        broken = root / "snapshots" / "v9-broken"
        shutil.copytree(current(root), broken)
        with (broken / "images.faiss").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x7f")
        (root / "current").write_text("v9-broken\n")
        await until(lambda: "colours" in runtime.unavailable)
        assert served == runtime.served("colours").searcher.manifest.id
        vector = bundle.embed_texts(["red"]).vectors[0]
        assert 1 == len(await runtime.served("colours").find(vector, 1, "images"))

    with_runtime(use, tmp_path)


def test_named_models_are_loaded(tmp_path: Path, tiny_bundle: Path) -> None:
    """A bundle named in the settings is loaded without a collection; one that is not there is told."""
    link_bundle(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._loaded)
        assert "tiny" == runtime.model("tiny").bundle.manifest.name
        assert "copy it there" in runtime.unavailable["model absent"]

    with_runtime(use, tmp_path, models=("tiny", "absent"))


def test_a_proofreader_that_does_not_load_is_told_at_once(tmp_path: Path, proof_bundle: Path) -> None:
    """A bundle whose proofreader is broken is refused when it is loaded, with the graph's name, and not at a request."""
    broken = tmp_path / "bundles" / "colours"
    shutil.copytree(proof_bundle, broken)
    (broken / "proofreader.onnx").write_bytes(b"\0" * (broken / "proofreader.onnx").stat().st_size)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._loaded)
        assert "proofreader.onnx does not load" in runtime.unavailable["model colours"]

    with_runtime(use, tmp_path, models=("colours",), verify=False)


def test_one_bundle_is_loaded_once(tmp_path: Path, tiny_bundle: Path) -> None:
    """Two collections of one bundle share its model."""
    make_colours(tmp_path, tiny_bundle, "first")
    make_colours(tmp_path, tiny_bundle, "second")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "first") and is_served(runtime, "second"))
        assert runtime.served("first").model is runtime.served("second").model

    with_runtime(use, tmp_path)


def test_one_batch_may_mix_targets(tmp_path: Path, tiny_bundle: Path) -> None:
    """Look-ups of images and of captions, with other numbers of hits, get each their own when they run together."""
    make_colours(tmp_path, tiny_bundle)
    bundle = Bundle.open(tiny_bundle)
    vectors = bundle.embed_texts(["red", "blue", "green", "white"]).vectors

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        served = runtime.served("colours")
        targets = ["images", "texts", "texts", "images"]
        found = await asyncio.gather(
            *(
                served.find(vector, 1 + place, target)
                for place, (vector, target) in enumerate(zip(vectors, targets, strict=True))
            )
        )
        assert [1, 2, 3, 4] == [len(hits) for hits in found]
        assert [False, True, True, False] == [hits[0].caption is not None for hits in found]
        assert ["red", "blue", "green", "white"] == [hits[0].id.split("-")[0] for hits in found]

    with_runtime(use, tmp_path)


def test_what_is_served_is_measured(tmp_path: Path, tiny_bundle: Path) -> None:
    """Rows and version of each served collection are metrics."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        await until(lambda: runtime._loaded)

    registry = with_runtime(use, tmp_path).metrics.registry

    assert 24 == registry.get_sample_value("vilem_collection_rows", {"collection": "colours"})
    assert (registry.get_sample_value("vilem_collection_version", {"collection": "colours"}) or 0) > 0


def test_an_empty_collection_can_be_searched(tmp_path: Path, tiny_bundle: Path) -> None:
    """A published collection without items is ready and finds nothing."""
    link_bundle(tmp_path, tiny_bundle)
    bundle = Bundle.open(tiny_bundle)
    collection = Collection.create(
        tmp_path / "collections", "empty", dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name="tiny"
    )
    publish(collection)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "empty"))
        unit = np.eye(1, bundle.manifest.dim, dtype=np.float32)[0]
        assert [] == await runtime.served("empty").find(unit, 5, "images")
        assert [] == await runtime.served("empty").find(unit, 5, "texts")
        await until(lambda: runtime._loaded)
        assert {} == await runtime.check()

    with_runtime(use, tmp_path)


def test_a_swap_under_load_fails_no_search(tmp_path: Path, tiny_bundle: Path) -> None:
    """Searches that began on the old snapshot finish on it: publishing again and again fails none."""
    make_colours(tmp_path, tiny_bundle)
    bundle = Bundle.open(tiny_bundle)
    vector = bundle.embed_texts(["red"]).vectors[0]

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        ended = False

        async def ask() -> int:
            count = 0
            while not ended:
                served = runtime.served("colours")
                # a request that has taken its collection, and waits for its vector
                await asyncio.sleep(0.002)
                assert 1 == len(await served.find(vector, 1, "images"))
                count += 1
            return count

        clients = [asyncio.ensure_future(ask()) for _ in range(8)]
        collection = Collection.open(tmp_path / "collections", "colours")
        for _ in range(5):
            published = await asyncio.to_thread(publish, collection)
            await until(lambda: runtime.served("colours").searcher.manifest.id == published.id)  # noqa: B023
        ended = True
        assert min(await asyncio.gather(*clients)) > 0

    with_runtime(use, tmp_path)


def test_a_collection_being_built_leaves_the_service_ready(tmp_path: Path, tiny_bundle: Path) -> None:
    """While one collection cannot be served, the probe of the others decides; when none is served it is told."""
    make_colours(tmp_path, tiny_bundle)
    Collection.create(tmp_path / "collections", "new", dim=16, bundle_digest="0" * 64, bundle_name="tiny")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours") and "new" in runtime.unavailable)
        assert {} == await runtime.check()
        take_away(tmp_path / "collections" / "colours")
        await until(lambda: not is_served(runtime, "colours"))
        assert ["new"] == list(await runtime.check())

    with_runtime(use, tmp_path)


def test_each_check_encodes(tmp_path: Path, tiny_bundle: Path) -> None:
    """The probe runs the model each time: no cache can hide that it has stopped to work."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        for _ in range(3):
            assert {} == await runtime.check()

        async def broken(*_: object) -> None:
            raise RuntimeError("the tower fell")

        runtime.served("colours").model.encode_text = broken  # type: ignore[method-assign,assignment]
        assert "RuntimeError" in (await runtime.check())["colours"]

    registry = with_runtime(use, tmp_path).metrics.registry

    # and once when it was loaded
    assert 4 == registry.get_sample_value("vilem_batch_size_sum", {"queue": "text"})


def test_a_probe_is_told_from_those_who_wait(tmp_path: Path, tiny_bundle: Path) -> None:
    """The queues know a probe by its urgency; what asks for it is as urgent as before."""
    make_colours(tmp_path, tiny_bundle)
    found: list[int] = []

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        encode = runtime.served("colours").model.encode_text

        async def noted(tokens: Tokens, deadline_s: float) -> np.ndarray:
            found.append(urgency.urgency())
            return await encode(tokens, deadline_s)

        runtime.served("colours").model.encode_text = noted  # type: ignore[method-assign]
        assert {} == await runtime.check()
        assert {urgency.PROBE} == set(found)
        assert urgency.USUAL == urgency.urgency()

    with_runtime(use, tmp_path)


def test_one_broken_collection_does_not_hide_the_others(tmp_path: Path, tiny_bundle: Path) -> None:
    """Files of another kind in one collection's folder, and a broken bundle, leave the others served."""
    make_colours(tmp_path, tiny_bundle, "b-good")
    make_colours(tmp_path, tiny_bundle, "a-broken")
    shutil.rmtree(tmp_path / "collections" / "a-broken" / "items.lance")
    (tmp_path / "collections" / "a-broken" / "items.lance").write_bytes(b"no dataset")
    (tmp_path / "bundles" / "a-broken").mkdir()
    (tmp_path / "bundles" / "a-broken" / "bundle.json").write_text("{}")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "b-good") and "a-broken" in runtime.unavailable)

    with_runtime(use, tmp_path)


def test_readiness_is_the_last_probes_finding(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for readiness costs no search; a fault is found, and found to be over, without being asked for."""
    monkeypatch.setattr("service.runtime._PROBE_S", 0.02)
    monkeypatch.setattr("service.runtime._AGAIN_S", 0.02)
    make_colours(tmp_path, tiny_bundle)

    async def broken(*_: object) -> None:
        raise RuntimeError("the tower fell")

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        model = runtime.served("colours").model
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model, "encode_text", broken)
            await until(lambda: "RuntimeError" in runtime.faults().get("colours", ""))
        await until(lambda: runtime.faults() == {})

    with_runtime(use, tmp_path)


def test_what_is_at_fault_is_probed_again_soon(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all is well probes are seldom; after a fault they come quickly until it is over, and then are seldom again."""
    monkeypatch.setattr("service.runtime._PROBE_S", 0.3)
    monkeypatch.setattr("service.runtime._AGAIN_S", 0.01)
    monkeypatch.setattr("service.runtime._PROBE_SHARE", 0)
    make_colours(tmp_path, tiny_bundle)
    probed: list[float] = []

    async def finds(_: Served) -> str | None:
        probed.append(asyncio.get_running_loop().time())
        return "a disk is gone" if 2 <= len(probed) < 6 else None

    async def use(runtime: Runtime) -> None:
        runtime._fault = finds  # type: ignore[method-assign]
        await until(lambda: len(probed) == 7)
        pauses = np.diff(probed[-7:])
        assert 0.3 <= min(pauses[0], pauses[5])
        assert max(pauses[1:5]) < 0.3

    with_runtime(use, tmp_path)


def test_a_collection_that_comes_during_a_probe_does_not_end_the_probing(tmp_path: Path, tiny_bundle: Path) -> None:
    """A probe is of the collections that were there when it began; the next one finds the others."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        model, both = runtime.served("colours").model, asyncio.Event()
        encode = model.encode_text

        async def slow(tokens: Tokens, deadline_s: float) -> np.ndarray:
            await both.wait()
            return await encode(tokens, deadline_s)

        model.encode_text = slow  # type: ignore[method-assign]
        probe = asyncio.create_task(runtime.check())
        await asyncio.sleep(0)
        make_colours(tmp_path, tiny_bundle, name="a-second")
        await until(lambda: is_served(runtime, "a-second"))
        both.set()

        assert {} == await probe

    with_runtime(use, tmp_path)


def test_a_round_of_probes_that_breaks_is_not_the_last(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in one round, the next one finds what there is to find."""
    monkeypatch.setattr("service.runtime._PROBE_S", 0.02)
    monkeypatch.setattr("service.runtime._AGAIN_S", 0.02)
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        broken: list[Served] = []

        async def breaks(served: Served) -> str | None:
            broken.append(served)
            raise RuntimeError("the probe itself fell")

        async def finds(_: Served) -> str | None:
            return "found again"

        runtime._fault = breaks  # type: ignore[method-assign]
        await until(lambda: len(broken) > 1)
        runtime._fault = finds  # type: ignore[method-assign]
        await until(lambda: runtime.faults() == {"colours": "found again"})

    with_runtime(use, tmp_path)


def test_a_busy_replica_stays_ready(tmp_path: Path, tiny_bundle: Path) -> None:
    """A probe that finds the queue full says nothing: callers are told 429, and the last finding stays."""
    make_colours(tmp_path, tiny_bundle)

    async def full(*_: object) -> None:
        raise QueueFull("busy")

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        runtime.served("colours").model.tokenize = full  # type: ignore[method-assign,assignment]
        assert {} == await runtime.check()

    with_runtime(use, tmp_path)


def test_a_probe_that_hangs_is_a_fault(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that does not come back is told as a fault within seconds, while it still hangs."""
    monkeypatch.setattr("service.runtime._PROBE_PATIENCE_S", 0.05)
    make_colours(tmp_path, tiny_bundle)

    async def hanging(*_: object) -> None:
        await asyncio.sleep(PATIENCE_S)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})
        runtime.served("colours").model.encode_text = hanging  # type: ignore[method-assign,assignment]
        assert "took more than" in (await runtime.check())["colours"]

    with_runtime(use, tmp_path)


def test_what_was_replaced_ends_after_the_last_request_that_may_hold_it(tmp_path: Path, tiny_bundle: Path) -> None:
    """A request that began before a swap searches the old snapshot until its deadline; after it the threads are gone."""
    make_colours(tmp_path, tiny_bundle)
    vector = Bundle.open(tiny_bundle).embed_texts(["red"]).vectors[0]

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        held = runtime.served("colours")
        until_s = time.monotonic() + runtime.settings.deadline_s
        published = await asyncio.to_thread(publish, Collection.open(tmp_path / "collections", "colours"))
        await until(lambda: runtime.served("colours").searcher.manifest.id == published.id)
        while time.monotonic() < until_s - 0.1:
            assert 1 == len(await held.find(vector, 1, "images"))
            await asyncio.sleep(0.05)
        await until(lambda: not held.lookups._batches._workers[0].is_alive())
        assert 1 == len(await runtime.served("colours").find(vector, 1, "images"))

    with_runtime(use, tmp_path, deadline_s=1.0)


def test_models_that_nothing_uses_are_released(tmp_path: Path, tiny_bundle: Path) -> None:
    """After a collection was made anew with another bundle the old model is forgotten, and its threads end."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        old = runtime.served("colours").model
        other = await asyncio.to_thread(make_tiny_bundle, tmp_path / "elsewhere" / "other", seed=5)
        take_away(tmp_path / "collections")
        await until(lambda: not is_served(runtime, "colours"))
        await asyncio.to_thread(make_colours, tmp_path, other)
        await until(lambda: is_served(runtime, "colours"))
        await until(lambda: not old._texts._workers[0].is_alive())
        assert [runtime.served("colours").model] == list(runtime._catalogue.models.values())

    with_runtime(use, tmp_path, deadline_s=0.2)


def test_what_is_not_served_is_not_measured(tmp_path: Path, tiny_bundle: Path) -> None:
    """The gauges of a collection go with it."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        take_away(tmp_path / "collections")
        await until(lambda: not is_served(runtime, "colours"))

    registry = with_runtime(use, tmp_path).metrics.registry

    for gauge in ("rows", "version"):
        assert registry.get_sample_value(f"vilem_collection_{gauge}", {"collection": "colours"}) is None


def test_a_name_of_two_models_means_the_one_in_use(tmp_path: Path, tiny_bundle: Path) -> None:
    """Of bundles of one name that is meant which serves a collection; when both do, the digest must be given."""
    made = make_tiny_bundle(tmp_path / "elsewhere" / "tiny", seed=5)
    (tmp_path / "bundles").mkdir()
    other = (tmp_path / "bundles" / "aaa").absolute()
    other.symlink_to(made)
    make_colours(tmp_path, tiny_bundle, "first")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "first") and len(runtime._catalogue.models) == 2)
        first = runtime.served("first").model
        assert first is runtime.model("tiny")
        await asyncio.to_thread(make_colours, tmp_path, other, "second")
        await until(lambda: is_served(runtime, "second"))
        with pytest.raises(QueryInvalid, match="bundle_digest"):
            runtime.model("tiny")
        for served in runtime.collections:
            assert served.model is runtime.model(served.searcher.manifest.bundle_digest)

    with_runtime(use, tmp_path, models=("tiny",))


def test_a_model_is_named_as_its_manifest_names_it(tmp_path: Path, tiny_bundle: Path) -> None:
    """VILEM_MODELS names what the API names: the manifest's name, whatever the folder is called."""
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "copied-yesterday").symlink_to(tiny_bundle.absolute())

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._loaded)
        assert "tiny" == runtime.model("tiny").bundle.manifest.name
        assert {} == runtime.unavailable

    with_runtime(use, tmp_path, models=("tiny",))


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RuntimeError("a bug"), MemoryError()])
def test_what_cannot_be_opened_is_not_tried_at_each_look(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever the fault is, a snapshot that took long to be refused is left alone for a while."""
    tries: list[float] = []

    def failing(*_: object, **__: object) -> None:
        tries.append(time.monotonic())
        time.sleep(0.1)
        raise error

    monkeypatch.setattr("service.catalogue.Searcher.open", failing)
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: "colours" in runtime.unavailable)
        await asyncio.sleep(0.3)

    with_runtime(use, tmp_path)

    assert 1 == len(tries)


def test_a_bundle_that_cannot_be_read_hides_no_other(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle beside that may not be read leaves collections, and the models that were named, served."""
    from models.manifest import BundleManifest, read_manifest

    make_colours(tmp_path, tiny_bundle)
    shutil.copytree(tiny_bundle, tmp_path / "bundles" / "aaa")

    def denied(folder: Path) -> BundleManifest:
        if folder.name == "aaa":
            raise PermissionError(13, "Permission denied", str(folder))
        return read_manifest(folder)

    for reader in ("service.catalogue", "models.bundle"):
        monkeypatch.setattr(f"{reader}.read_manifest", denied)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        assert "tiny" == runtime.model("tiny").bundle.manifest.name

    with_runtime(use, tmp_path, models=("tiny",))


def test_no_thread_is_left(tmp_path: Path, tiny_bundle: Path) -> None:
    """After close() none of the threads of the runtime lives on."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: runtime._faults == {})

    before = set(threading.enumerate())
    with_runtime(use, tmp_path)
    end = time.monotonic() + PATIENCE_S
    while ours := [
        each.name
        for each in set(threading.enumerate()) - before
        if each.name.startswith(("batch", "decode", "read", "file", "load"))
    ]:
        assert time.monotonic() < end, ours
        time.sleep(0.01)


def test_another_text_tower_takes_over_and_gives_back(tmp_path: Path, tiny_bundle: Path) -> None:
    """A chosen text model answers without a restart, with a cache of its own, and only of its own space; so does the way back."""
    make_colours(tmp_path, tiny_bundle)
    other = make_german(tiny_bundle, tmp_path / "bundles" / "german")
    own, german = read_manifest(tiny_bundle), read_manifest(other)
    collection = Collection.open(tmp_path / "collections", "colours")

    async def found(runtime: Runtime, word: str) -> str:
        served = runtime.served("colours")
        vector = (await runtime.embedder.text(served.model, word, Timings(runtime.metrics))).vector
        return (await served.find(vector, 1, "images"))[0].id.split("-")[0]

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        snapshot = runtime.served("colours").searcher.manifest.id
        # the words "rot" and "red" have the same ids in both: only the model's part of a key tells their vectors apart
        assert "red" == await found(runtime, "red") != await found(runtime, "rot")
        for manifest, word in ((german, "rot"), (own, "red")):
            choose_text_model(collection.path, collection.info, own, manifest)
            await until(lambda manifest=manifest: runtime.served("colours").model.bundle.digest == manifest.digest())
            assert "red" == await found(runtime, word)
            assert snapshot == runtime.served("colours").searcher.manifest.id
            assert {} == await runtime.check()
            assert manifest.name == runtime.model(manifest.name).bundle.manifest.name

    with_runtime(use, tmp_path)


def test_a_text_model_that_is_gone_stops_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    """When the chosen bundle cannot be opened the collection is served as before, and the reason is told."""
    make_colours(tmp_path, tiny_bundle)
    other = make_german(tiny_bundle, tmp_path / "bundles" / "german")
    own, german = read_manifest(tiny_bundle), read_manifest(other)
    collection = Collection.open(tmp_path / "collections", "colours")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        shutil.rmtree(other)
        choose_text_model(collection.path, collection.info, own, german)
        await until(lambda: "colours" in runtime.unavailable)
        assert "the bundle 'german'" in runtime.unavailable["colours"]
        assert own.digest() == runtime.served("colours").model.bundle.digest

    with_runtime(use, tmp_path)


def test_patches_are_read_by_the_bundle_that_made_them(tmp_path: Path, proof_bundle: Path) -> None:
    """A text model may have a proofreader of its own: what is stored was not made for it, and the way back is told."""
    make_painted(tmp_path, proof_bundle, repeats=1)
    other = Path(shutil.copytree(proof_bundle, tmp_path / "bundles" / "other"))
    own = read_manifest(proof_bundle)
    renamed = own.model_copy(update={"name": "other"})
    (other / MANIFEST_NAME).write_bytes(renamed.to_bytes())
    collection = Collection.open(tmp_path / "collections", "painted")

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "painted"))
        assert runtime.served("painted").cannot_proofread is None
        choose_text_model(collection.path, collection.info, own, renamed)
        await until(lambda: runtime.served("painted").model.bundle.manifest.name == "other")
        assert runtime.served("painted").model.cannot_proofread is None
        why = runtime.served("painted").cannot_proofread or ""
        assert f"`vilem index text-model painted --model {own.name}`" in why

    with_runtime(use, tmp_path)


def test_who_computes_gives_way_to_who_answers(tmp_path: Path, tiny_bundle: Path) -> None:
    """Towers, ONNX Runtime's own threads and decoders stand behind the event loop; searches stand beside it."""
    make_colours(tmp_path, tiny_bundle)
    loop_stands = os.getpriority(os.PRIO_PROCESS, 0)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        behind = {each.name: steps(each.native_id) - loop_stands for each in threading.enumerate()}
        towers = {name: found for name, found in behind.items() if name.startswith(("batch-text", "batch-image"))}
        decoders = [found for name, found in behind.items() if name.startswith("batch-decode")]
        assert {COMPUTING} == {*towers.values(), *decoders}
        assert {0} == {found for name, found in behind.items() if name.startswith("batch-search")}
        assert loop_stands + COMPUTING in foreign(), "ONNX Runtime's"

    with_runtime(use, tmp_path, threads=2)


def foreign() -> list[int]:
    """How far behind threads stand that Python did not start."""
    named = {each.native_id for each in threading.enumerate()}
    return [steps(each) for each in {int(each.name) for each in Path("/proc/self/task").iterdir()} - named]


def steps(thread: int | None) -> int:
    """How far behind a thread stands."""
    assert thread is not None
    return os.getpriority(os.PRIO_PROCESS, thread)
