"""`vilem index plan` and `explain`: which index a collection needs, and why it has the one it has."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.index_push import engine_rows
from vilem.cli.refuse import refuse
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    import numpy as np

    from index.collection import Collection
    from index.gpu.device import Device
    from index.plan import Budget, Plan
    from index.snapshot import IndexPart, SnapshotManifest
    from models.bundle import Bundle

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
# kinds of index are index.kinds.spec's; importing them here would load FAISS for `--help`
_KINDS = "flat, hnsw-fp16, hnsw-sq8, ivf-rabitq or ivf-pq"

# in one run of a model
_TEXTS = 32


def bytes_of(text: str) -> int:
    """Bytes of `700MB`, `1.5 GiB`, `2g` or `1000`.

    Raises:
        typer.BadParameter: it is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{text} is no size: give a number and a unit, as 700MB, 2GB or 1.5GiB")
    # to the byte: 4.35 has no exact float, and one byte less than was advised is too little
    return round(float(found[1]) * _UNITS[(found[2] or "").lower()])


def known_kind(text: str) -> str:
    """A kind of index, or `any`.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    from index.plan import KINDS

    if text not in (*KINDS, "any"):
        raise typer.BadParameter(f"{text} is no kind of index: there are {_KINDS}")
    return text


def known_device(text: str) -> "Device":
    """What may be asked for, if it is there: a GPU that is missing is told before pictures are embedded for hours.

    Raises:
        typer.BadParameter: there is nothing of that name.
        GpuMissing: there is no GPU.
    """
    from index.gpu.device import DEVICES, Device, gpus_for

    known: dict[str, Device] = {each: each for each in DEVICES}
    found = known.get(text)
    if found is None:
        raise typer.BadParameter(f"{text} is no device: there are {', '.join(DEVICES)}")
    gpus_for(found)
    return found


Recall = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Recall@10 the index must reach.", show_default="as before, at first 0.95"),
]
Memory = Annotated[
    int | None,
    typer.Option(
        parser=bytes_of,
        metavar="SIZE",
        help="What the index may keep in memory, as 700MB; vectors that are only mapped are apart. 0 lifts it.",
        show_default="as before, at first anything",
    ),
]
LatencyMs = Annotated[
    float | None,
    typer.Option(min=0, help="Milliseconds of one query. 0 lifts it.", show_default="as before, at first anything"),
]
KindName = Annotated[
    str | None,
    typer.Option(
        "--kind",
        parser=known_kind,
        metavar="KIND",
        help=f"Build this: {_KINDS}. 'any' lifts it.",
        show_default="as before, at first the plan's",
    ),
]


QueriesFile = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="Texts that will be asked, one a line (200 are enough), to tune the index on too: for collections without "
        "captions. A file without texts lifts it.",
        show_default="as before, at first none",
    ),
]


# index.gpu.device's, which would load FAISS for `--help`
DeviceName = Annotated[
    Literal["auto", "cpu", "gpu"],
    typer.Option(
        "--device",
        parser=known_device,
        metavar="DEVICE",
        help="What learns and builds the index: gpu, cpu, or auto, which takes a GPU where there is one.",
    ),
]


def plan(
    name: Annotated[str | None, typer.Argument(help="A collection; without one, give --rows and --dim.")] = None,
    rows: Annotated[int | None, typer.Option(min=0, help="Vectors.")] = None,
    dim: Annotated[int | None, typer.Option(min=1, help="Dimensions.")] = None,
    memory: Memory = None,
    latency_ms: LatencyMs = None,
    recall: Recall = None,
    kind: KindName = None,
    home: Home = None,
) -> None:
    """Propose an index: its kind, what it will keep in memory, and why. Nothing is built.

    Of a collection: what `vilem index publish` with the same options would build of its images, captions and moments,
    which share the memory. Options that are left out are as it was published last.

    Bytes are counted. Milliseconds are an estimate, good to a factor of two; building measures them.

    \b
    Examples:
      vilem index plan --rows 10000000 --dim 512
      vilem index plan --rows 1000000 --dim 512 --memory 700MB --latency-ms 5
      vilem index plan photos --recall 0.99
    """
    from index.plan import RECALL, Budget
    from index.plan import plan as plan_index

    if name is not None:
        refuse({"--rows": rows, "--dim": dim}, "the collection has its own")
        dim, proposed = _planned_for(name, home, recall, memory, latency_ms, kind)
    elif rows is None or dim is None:
        raise typer.BadParameter("give a collection, or --rows and --dim")
    else:
        budget = budget_of(memory, latency_ms, kind, Budget())
        proposed = {"vectors": (rows, plan_index(rows, dim, budget, RECALL if recall is None else recall))}
    print_rows(
        ("of", "kind", "FAISS", "in memory", "mapped", "ms a query (estimate)", "why"),
        [
            *((label, *_proposed(each, dim)) for label, (_, each) in proposed.items()),
            *(row for label, (count, each) in proposed.items() for row in _others(label, count, dim, each)),
        ],
    )


def explain(name: Annotated[str, typer.Argument(help="Name of a published collection.")], home: Home = None) -> None:
    """Tell who answers for a collection, which indexes its snapshot has, why, what they cost, and all settings that were measured.

    \b
    Example:
      vilem index explain photos
    """
    from index.collection import Collection
    from index.publish import current
    from index.shortfalls import parts_of, shortfalls
    from index.snapshot import read_manifest

    path = Collection.open(home_of(home) / "collections", name).path
    manifest = read_manifest(current(path))
    wanted = [] if manifest.target_recall is None else [("recall@10 wanted", f"{manifest.target_recall}")]
    spent = [(key, str(value)) for key, value in manifest.budget.model_dump(exclude_none=True).items()]
    short = [("warning", said) for said in shortfalls(manifest)]
    print_rows(("collection", name), [*engine_rows(path), ("snapshot", manifest.id), *wanted, *spent, *short])
    for label, part in parts_of(manifest):
        print_rows((label, f"{part.rows:,} vectors"), _explained(part, manifest.dim))
        if part.curve:
            kinds = sorted(part.curve[0].recall)
            print_rows(
                ("setting", *(f"recall@10, {kind} ask" for kind in kinds), "ms a query", ""),
                [_measured(part, place, kinds) for place in range(len(part.curve))],
            )


def publish_within(
    collection: "Collection",
    recall: float | None,
    memory: int | None,
    latency_ms: float | None,
    kind: str | None,
    device: "Device" = "auto",
    queries: "np.ndarray | None" = None,
) -> "SnapshotManifest":
    """Publish a collection with what the options say; what they leave out is as it was when it was published last.

    What it falls short of is told.
    """
    from index.publish import publish, wishes

    budget = budget_of(memory, latency_ms, kind, wishes(collection.path)[1])
    manifest = publish(collection, target_recall=recall, budget=budget, device=device, queries=queries)
    warn_of_shortfalls(manifest)
    return manifest


def warn_of_shortfalls(manifest: "SnapshotManifest") -> None:
    """Tell in what a published index falls short of what was wanted."""
    from index.shortfalls import shortfalls

    for said in shortfalls(manifest):
        typer.echo(f"warning: {said}", err=True)


def embedded(
    queries: Path | None, collection: "Collection", home: Path, own: "Bundle | None" = None
) -> "np.ndarray | None":
    """Vectors (n, d) of the texts in a file by the model that answers for the collection, which may be the *own* one.

    Raises:
        typer.BadParameter: it is no text.
    """
    import numpy as np

    from index.text_model import text_model
    from models.bundle import Bundle, bundle_of

    if queries is None:
        return None
    texts = texts_in(queries)
    answering = text_model(collection.path, collection.info)
    if own is None or own.digest != answering.bundle_digest:
        own = Bundle.open(bundle_of(answering.bundle_digest, answering.bundle_name, home))
    batches = [own.embed_texts(texts[at : at + _TEXTS]).vectors for at in range(0, len(texts), _TEXTS)]
    return np.concatenate([np.zeros((0, collection.info.dim), np.float32), *batches])


def texts_in(file: Path) -> list[str]:
    """The texts of a file, one a line, blank lines left out; more than are asked are thinned out evenly.

    Raises:
        typer.BadParameter: it is no text.
    """
    from index.build import SAMPLE

    try:
        texts = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not UTF-8: give a file with one text a line") from error
    return texts[:: max(1, -(-len(texts) // SAMPLE))]


def budget_of(memory: int | None, latency_ms: float | None, kind: str | None, served: "Budget") -> "Budget":
    """What the options say; what they leave out is as it is in *served*."""
    changes: dict[str, object] = {}
    if memory is not None:
        changes["memory"] = memory or None
    if latency_ms is not None:
        changes["latency_ms"] = latency_ms or None
    if kind is not None:
        changes["kind"] = None if kind == "any" else kind
    return served.model_copy(update=changes)


def _planned_for(
    name: str, home: Home, recall: float | None, memory: int | None, latency_ms: float | None, kind: str | None
) -> tuple[int, "dict[str, tuple[int, Plan]]"]:
    """The dimension of a collection; rows and plan of each index that publishing it with those options would build."""
    from index.collection import Collection
    from index.publish import wishes
    from index.shares import plan_collection, rows_of

    collection = Collection.open(home_of(home) / "collections", name)
    served_recall, served = wishes(collection.path)
    budget = budget_of(memory, latency_ms, kind, served)
    plans = plan_collection(collection, budget, served_recall if recall is None else recall)
    rows = rows_of(collection)
    return collection.info.dim, {
        label: (rows[label], each) for label, each in plans.items() if rows[label] or label == "images"
    }


def _others(label: str, rows: int, dim: int, proposed: "Plan") -> list[tuple[str, ...]]:
    """What the kinds would take that are not proposed."""
    from index.plan import KINDS, Budget
    from index.plan import plan as plan_index

    if not rows:
        return []
    others = [plan_index(rows, dim, Budget(kind=kind)) for kind in KINDS if kind != proposed.spec.kind]
    return [(label, *_proposed(each, dim, "not chosen")) for each in others]


def _proposed(proposed: "Plan", dim: int, why: str | None = None) -> tuple[str, ...]:
    from index.plan import human

    return (
        proposed.spec.kind,
        proposed.spec.factory(dim),
        human(proposed.resident),
        human(proposed.mapped) if proposed.mapped else "",
        f"{proposed.milliseconds:.2g}",
        why or "; ".join(proposed.why),
    )


def _explained(part: "IndexPart", dim: int) -> list[tuple[str, str]]:
    from index.plan import human

    tuned = ", ".join(f"{name} {value}" for name, value in part.parameters.items()) or "none"
    rows = [("kind", f"{part.kind or 'of an earlier version'}: {part.factory}, {dim} dimensions")]
    rows += [("why", reason) for reason in part.why]
    rows += [("in memory", human(part.planned_bytes))] if part.planned_bytes else []
    rows += [("mapped beside", human(part.mapped_bytes))] if part.mapped_bytes else []
    return [
        *rows,
        ("parameters", tuned),
        ("recall@10", f"{part.recall_at_10:.3f}, of the kind of query that finds least"),
        ("one query", f"{part.query_ms:.3g} ms where it was built"),
        ("built in", f"{part.build_seconds:.3g} s"),
    ]


def _measured(part: "IndexPart", place: int, kinds: list[str]) -> tuple[str, ...]:
    point = part.curve[place]
    setting = ", ".join(f"{name} {value}" for name, value in point.parameters.items()) or "exact"
    recalls = (f"{point.recall[kind]:.3f}" for kind in kinds)
    return setting, *recalls, f"{point.query_ms:.3g}", "chosen" if point.parameters == part.parameters else ""
