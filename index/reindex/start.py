"""Where changes of models begin: which generation shall be served, and what there is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from index.collection import Collection
from index.errors import GenerationMissing, ReindexRefused, ReindexUnfinished
from index.generations import FIRST, made, next_id, served
from index.reindex.carried import declare_like
from index.reindex.garbage import is_there, kept, unfinished
from index.reindex.job import ModelChange, ReindexOptions
from index.reindex.report import Report, read_report
from index.schema import CollectionInfo
from models.bundle import Bundle

State = Literal["served", "kept", "unfinished"]


@dataclass(frozen=True)
class GenerationState:
    """One generation of a collection: what is in it, what it is good for, and what was measured before it was served."""

    id: str
    state: State
    info: CollectionInfo
    rows: int
    report: Report | None


def reindex(root: Path, name: str, bundle: Bundle, options: ReindexOptions | None = None) -> ModelChange:
    """A job that embeds collection *name* in folder *root* anew and lets *bundle* serve it.

    What an earlier run of it embedded is used, and so is a generation that the bundle made and that was kept.

    Raises:
        ReindexRefused: the bundle serves it already.
    """
    collection = Collection.open(root, name)
    if collection.info.bundle_digest == bundle.digest:
        raise ReindexRefused(f"collection {name} is embedded by {bundle.manifest.name} already: there is nothing to do")
    return ModelChange(collection, lambda: _target(collection, bundle), bundle, options or ReindexOptions())


def rollback(
    root: Path,
    name: str,
    open_bundle: Callable[[CollectionInfo], Bundle],
    to: str | None = None,
    options: ReindexOptions | None = None,
) -> ModelChange:
    """A job that lets an older generation of collection *name* serve again, with all that was written since.

    Args:
        root: folder of collections.
        name: of the collection.
        open_bundle: opens the bundle of that generation.
        to: which generation; None = the one that was served before.
        options: the two are not compared.

    Raises:
        GenerationMissing: there is no such generation that was served.
    """
    collection = Collection.open(root, name)
    older = kept(collection.home)[1:]
    if to is None and not older:
        raise GenerationMissing(
            f"collection {name} has no older generation to go back to: `vilem index reindex` makes a new one"
        )
    generation = to or older[0]
    if generation not in older:
        raise GenerationMissing(
            f"there is no generation {generation!r} of collection {name} to go back to: `vilem index generations {name}` lists "
            "those that were kept"
        )
    target = Collection.open(root, name, generation=generation)
    settings = replace(options or ReindexOptions(), compare=False)
    return ModelChange(collection, lambda: _still_there(target), open_bundle(target.info), settings)


def generation_states(root: Path, name: str) -> list[GenerationState]:
    """The generations of collection *name*: the served one, those that may be gone back to, those that are not finished.

    Raises:
        CollectionInvalid: what was measured of one is not what was written down.
    """
    home = root / name
    now = served(home)
    found: list[GenerationState] = []
    for generation in (*kept(home), *unfinished(home)):
        collection = Collection.open(root, name, generation=generation)
        state = "served" if generation == now else "unfinished" if generation in unfinished(home) else "kept"
        found.append(
            GenerationState(generation, state, collection.info, collection.count(), read_report(collection.path))
        )
    return found


def _target(collection: Collection, bundle: Bundle) -> Collection:
    root, name, home = collection.home.parent, collection.info.name, collection.home
    for generation in filter(lambda each: is_there(home, each), reversed([FIRST, *made(home)])):
        found = Collection.open(root, name, generation=generation)
        if found.info.bundle_digest == bundle.digest:
            return found
    for generation in unfinished(home):
        begun = Collection.open(root, name, generation=generation)
        raise ReindexUnfinished(
            f"a change of collection {name} to model {begun.info.bundle_name} was begun ({begun.count():,} rows are there): "
            f"finish it with `vilem index reindex {name} --model {begun.info.bundle_name}`, or drop it with `vilem index gc "
            f"{name} --unfinished`"
        )
    manifest = bundle.manifest
    generation = next_id(home, bundle.digest)
    target = collection.create_generation(
        generation, dim=manifest.dim, bundle_digest=bundle.digest, bundle_name=manifest.name
    )
    declare_like(collection.latest(), target)
    return target


def _still_there(target: Collection) -> Collection:
    if not is_there(target.home, target.generation):
        raise GenerationMissing(
            f"generation {target.generation} of collection {target.info.name} was removed meanwhile"
        )
    return target.latest()
