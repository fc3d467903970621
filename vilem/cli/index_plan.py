"""`vilem index plan` and `explain`: which index a collection needs, and why it has the one it has."""

import re
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.refuse import refuse
from vilem.cli.table import print_rows

if TYPE_CHECKING:
    from index.collection import Collection
    from index.gpu.device import Device
    from index.plan import Budget, Plan
    from index.snapshot import IndexPart, SnapshotManifest

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
# kinds of index are index.kinds.spec's; importing them here would load FAISS for `--help`
_KINDS = "flat, hnsw-fp16, hnsw-sq8, ivf-rabitq or ivf-pq"


def bytes_of(text: str) -> int:
    """Bytes of `700MB`, `1.5 GiB`, `2g` or `1000`.

    Raises:
        typer.BadParameter: it is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{text} is no size: give a number and a unit, as 700MB, 2GB or 1.5GiB")
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])


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

    Bytes are counted. Milliseconds are an estimate, good to a factor of two; building measures them.

    \b
    Examples:
      vilem index plan --rows 10000000 --dim 512
      vilem index plan --rows 1000000 --dim 512 --memory 700MB --latency-ms 5
      vilem index plan photos --recall 0.99
    """
    from index.plan import KINDS, Budget
    from index.plan import plan as plan_index

    if name is not None:
        refuse({"--rows": rows, "--dim": dim}, "the collection has its own")
        rows, dim = _size(name, home)
    if rows is None or dim is None:
        raise typer.BadParameter("give a collection, or --rows and --dim")
    budget = budget_of(memory, latency_ms, kind, Budget())
    wanted = 0.95 if recall is None else recall
    proposed = plan_index(rows, dim, budget, wanted)
    others = [plan_index(rows, dim, Budget(kind=each)) for each in KINDS if each != proposed.spec.kind] if rows else []
    print_rows(
        ("kind", "FAISS", "in memory", "mapped", "ms a query (estimate)", "why"),
        [_proposed(proposed, dim), *(_proposed(each, dim, "not chosen") for each in others)],
    )


def explain(name: Annotated[str, typer.Argument(help="Name of a published collection.")], home: Home = None) -> None:
    """Tell which indexes a collection is served from, why, what they cost, and all settings that were measured.

    \b
    Example:
      vilem index explain photos
    """
    from index.collection import Collection
    from index.publish import current
    from index.snapshot import read_manifest

    manifest = read_manifest(current(Collection.open(home_of(home) / "collections", name).path))
    wanted = [] if manifest.target_recall is None else [("recall@10 wanted", f"{manifest.target_recall}")]
    spent = [(key, str(value)) for key, value in manifest.budget.model_dump(exclude_none=True).items()]
    print_rows(("collection", name), [("snapshot", manifest.id), *wanted, *spent])
    for label, part in _parts(manifest):
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
) -> "SnapshotManifest":
    """Publish a collection with what the options say; what they leave out is as it was when it was published last."""
    from index.publish import publish, wishes

    _, served = wishes(collection.path)
    return publish(collection, target_recall=recall, budget=budget_of(memory, latency_ms, kind, served), device=device)


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


def _size(name: str, home: Home) -> tuple[int, int]:
    from index.collection import Collection

    collection = Collection.open(home_of(home) / "collections", name)
    return collection.count(), collection.info.dim


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


def _parts(manifest: "SnapshotManifest") -> list[tuple[str, "IndexPart"]]:
    parts = (("images", manifest.images), ("texts", manifest.texts), ("moments", manifest.moments))
    return [(label, part) for label, part in parts if part is not None]


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
