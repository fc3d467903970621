"""What tests of engines share: an engine in this process, and the comparison of two collections."""

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.embed import settled_options
from index.engines.blocks import Sizes, cut
from index.engines.job import COMMIT_SECONDS, Engine, StagedJob, Work, Worker
from index.engines.staging import Staged
from index.options import EmbedOptions
from index.progress import Summary
from index.sources.item import Source
from models.bundle import Bundle
from tests.index.support import picture, write_table

SMALL = EmbedOptions(chunk_rows=4, image_batch=2)


def reports(parts: list[Source], work: Work) -> Iterator[Staged]:
    """The reports of one worker, block by block."""
    worker = Worker(work)
    for number, part in enumerate(parts):
        for block in cut(part, number, Sizes.of(work.options.chunk_rows, 1, len(parts))):
            yield worker.embed(block)


def here(parts: list[Source], work: Work) -> Generator[Staged]:
    """An engine of one worker in this process."""
    yield from reports(parts, work)


def staged_job(
    collection: Collection,
    source: Source,
    bundle: Bundle,
    options: EmbedOptions = SMALL,
    *,
    engine: Engine = here,
    commit_seconds: float = COMMIT_SECONDS,
) -> StagedJob:
    """A job on an engine of this process."""
    return StagedJob(collection, source, bundle, settled_options(collection, bundle, options), engine, commit_seconds)


def run_staged(
    collection: Collection,
    source: Source,
    bundle: Bundle,
    options: EmbedOptions = SMALL,
    *,
    engine: Engine = here,
    commit_seconds: float = COMMIT_SECONDS,
) -> Summary:
    """Run such a job to its end."""
    with staged_job(collection, source, bundle, options, engine=engine, commit_seconds=commit_seconds) as job:
        for _ in job:
            pass
    return job.summary


def contents(collection: Collection) -> dict[str, dict[str, object]]:
    """Everything that is stored of each item, by id, its captions' vectors too; an id that is there twice is an error."""
    latest = collection.latest()
    rows = latest.items.to_table().to_pylist()
    captions: dict[str, list[tuple[int, str, object]]] = {}
    for found, vectors in latest.caption_vectors():
        for row, vector in zip(latest.captions_at(found.tolist()), vectors, strict=True):
            assert row is not None
            captions.setdefault(row.item_id, []).append((row.position, row.text, vector.round(3).tolist()))
    assert len(rows) == len({row["id"] for row in rows})
    return {
        row["id"]: {
            **row,
            "vector": np.array(row["vector"], np.float32).round(3).tolist(),
            "of captions": sorted(captions.get(row["id"], [])),
        }
        for row in rows
    }


def rejects_of(collection: Collection) -> list[tuple[str, str, str, str]]:
    """The rejects but for their time, sorted."""
    return sorted((each.id, each.uri, each.reason, each.detail) for each in collection.rejects())


def mixed_corpus(root: Path, count: int = 30) -> Path:
    """A JSONL of *count* good pictures with captions and metadata, and one item of each kind of fault among them."""
    images = root / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for number in range(count):
        (images / f"{number:03d}.png").write_bytes(picture(number))
        captions = [f"a red dog {number}", "a photo"][: number % 3]
        rows.append({"path": f"images/{number:03d}.png", "captions": captions, "n": number})
    (images / "cut.png").write_bytes(picture(1)[:60])
    faults: list[dict[str, object]] = [
        {"path": "images/cut.png"}, {"path": "images/gone.png"}, {"path": "images/001.png", "n": "again"},
        {"path": "images/002.png", "id": "bad/image"}, {"id": "no path"}, {"path": "images/003.png", "id": "x" * 600},
    ]  # fmt: skip
    for at, fault in enumerate(faults):
        rows.insert(3 + 5 * at, fault)
    return write_table(root / "corpus.jsonl", rows)
