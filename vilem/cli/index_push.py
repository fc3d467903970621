"""`vilem index push`: a collection's vectors to a Milvus, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.refuse import refuse
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from index.collection import Collection
    from index.milvus.engine import EngineRecord
    from index.milvus.push import PushProgress
    from index.milvus.store import Index

FAISS = "faiss"
_WAITS = f"moments alone are searched, until `vilem index push NAME --to {FAISS}`"


def push(
    name: Annotated[str, typer.Argument(help="Name of a collection.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="milvus://host:19530, milvus://host:19530/database, milvus+tls://host, a file of milvus-lite that ends in "
            f".db, or {FAISS}: the snapshot answers again.",
            show_default="where it was pushed last",
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            help="AUTOINDEX, HNSW, IVF_SQ8 or FLAT.", show_default="as it is; at first AUTOINDEX, in milvus-lite FLAT"
        ),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Fill new stores, though changes alone could be sent.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take the aliases, though somebody else's stores bear them.")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Let the stores answer that the last --anew took the place of.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help=f"With --to {FAISS}: remove what was pushed.")] = False,
    home: Home = None,
) -> None:
    """Copy a collection's vectors to a Milvus that searches them from then on; run again, it sends what changed.

    Everything else stays where it is, and the vectors do too: what is in Milvus can be removed and pushed again. A push
    that was interrupted goes on where it was. A token or user:password is read from VILEM_MILVUS_TOKEN.

    \b
    Examples:
      vilem index push photos --to milvus://milvus:19530
      vilem index push photos
      vilem index push photos --to ./photos.db
      vilem index push photos --to faiss --drop
    """
    from index.collection import Collection
    from index.errors import MilvusError
    from index.milvus.engine import read_record
    from index.milvus.push import discard, go_back, take_back
    from service.settings import Settings

    token = Settings().milvus_token.get_secret_value()
    collection = Collection.open(home_of(home) / "collections", name)
    filling = {"--index": index, "--anew": anew, "--take-over": take_over}
    if back:
        refuse(filling | {"--to": to, "--drop": drop}, "--back sends nothing")
        _print_record(name, go_back(collection, token=token))
        return
    if to == FAISS:
        refuse(filling, "nothing is sent to FAISS, `vilem index publish` builds it")
        take_back(collection)
        if drop:
            discard(collection, token=token)
        typer.echo(f"{name} is answered by its FAISS snapshot")
        return
    refuse({"--drop": drop}, f"it goes with --to {FAISS}")
    record = read_record(collection.path)
    if to is None and record is None:
        raise MilvusError(f"{name} was never pushed: say where, --to milvus://host:19530")
    _print_record(name, _pushed(collection, to or (record.uri if record else ""), token, index, anew, take_over))


def engine_rows(path: Path) -> list[tuple[str, str]]:
    """Who answers for the collection in folder *path*, for people: its FAISS snapshot, or a Milvus, where that is and what it holds.

    Raises:
        CollectionInvalid, CollectionTooNew: `engine.json` cannot be read.
    """
    from index.milvus.engine import read_record

    record = read_record(path)
    if record is None or not record.serving:
        return [("engine", FAISS)]
    pushed = record.pushed
    versions = f"version {pushed.items_version} of the items, {pushed.captions_version} of the captions"
    # an address holds no secret: `index.milvus.target` refuses one that does
    return [
        ("engine", f"milvus: {record.uri}"),
        ("pushed", f"{versions}, {pushed.pushed_at}"),
        ("of the snapshot", _WAITS),
    ]


def _pushed(
    collection: "Collection", to: str, token: str, index: str | None, anew: bool, take_over: bool
) -> "EngineRecord":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from index.maintenance import clean_up
    from index.milvus.push import PushOptions
    from index.milvus.push import push as push_collection
    from index.milvus.target import target_of

    options = PushOptions(index=_index(index), anew=anew, take_over=take_over)
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as bar:
        tasks = {kind: bar.add_task(f"{kind}, changed", total=None) for kind in ("images", "texts")}

        def report(progress: "PushProgress") -> None:
            whole = progress.of is not None
            description = progress.kind if whole else f"{progress.kind}, changed"
            bar.update(tasks[progress.kind], completed=progress.sent, total=progress.of, description=description)

        record = push_collection(collection, target_of(to), token=token, options=options, report=report)
    clean_up(collection)
    return record


def _index(text: str | None) -> "Index | None":
    from index.milvus.store import INDEXES

    known: dict[str, Index] = {each: each for each in INDEXES}
    if text is not None and text not in known:
        raise typer.BadParameter(f"--index is one of {', '.join(INDEXES)}, not {text!r}")
    return None if text is None else known[text]


def _print_record(name: str, record: "EngineRecord") -> None:
    pushed = record.pushed
    rows = [
        ("answered by", record.uri),
        ("items", f"{pushed.items:,} of version {pushed.items_version}, in {pushed.images}"),
        ("captions", f"{pushed.captions:,} of version {pushed.captions_version}, in {pushed.texts}"),
        ("index", pushed.index),
        ("model", f"{record.bundle_name} ({record.bundle_digest[:12]}…)"),
    ]
    print_rows(("collection", name), rows)
