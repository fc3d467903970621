"""Near-duplicates with a known answer: precision and recall at each threshold, and at the one that is measured without knowing it.

    python -m benchmarks.duplicates [--bundle scenes-s] [--pictures 240] [--source FOLDER_OR_TAR …]

Of every corpus every fourth picture is there in four altered copies too (`index.duplicates.threshold.ALTERATIONS`). A pair counts as
found when both are in one group; it is right when both are of one picture. The corpora are rendered scenes, what --source names, and,
where TEST_DATA names a folder with them, photographs (`coco-mini/`, `flickr8k/val-000.tar`). The bar is for scenes, which
the default bundle knows; photographs ask for a bundle that knows those.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.table import Row, show
from index.collection import Collection
from index.duplicates.find import Options, find_duplicates
from index.duplicates.threshold import altered, measure_threshold
from index.embed import embed
from index.publish import publish
from index.searcher import Searcher
from index.sources import SourceItem, open_source, read_uri
from models.bundle import Bundle, find_bundle
from models.decode import decode
from models.scenes.corpus import generate

THRESHOLDS = (0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)
PRECISION_BAR, RECALL_BAR = 0.95, 0.9
_SPARED = 4


def corpora(pictures: int, sources: list[str]) -> Iterator[tuple[str, list[bytes]]]:
    """Name and files of each corpus."""
    yield "rendered scenes", [each.png() for each in generate("test", pictures, 5)]
    data = os.environ.get("TEST_DATA")
    known = [Path(data, "coco-mini"), Path(data, "flickr8k", "val-000.tar")] if data else []
    for source in [*sources, *(str(path) for path in known if path.exists())]:
        items = (item for item in open_source(source) if isinstance(item, SourceItem))
        yield source, [read_uri(item.uri) for item in islice(items, pictures)]


def write(files: list[bytes], folder: Path) -> None:
    """Write the pictures, and beside every fourth its altered copies; a name begins with the number of its picture."""
    for number, data in enumerate(files):
        (folder / f"{number:06d}.png").write_bytes(data)
        copies = altered(decode(data)) if number % _SPARED == 0 else ()
        for at, (_, copy) in enumerate(copies):
            (folder / f"{number:06d}-{at}.jpg").write_bytes(copy)


def indexed(bundle: Bundle, source: Path, root: Path) -> Searcher:
    """The pictures of a folder, embedded and published."""
    name = "bench"
    collection = Collection.create(
        root, name, dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name=bundle.manifest.name
    )
    with embed(collection, open_source(str(source)), bundle) as job:
        for _ in job:
            pass
    publish(collection.latest())
    return Searcher.open(root, name)


def quality(searcher: Searcher, options: Options) -> tuple[float, float]:
    """Precision and recall of pairs."""
    table = searcher.view.collection.items.to_table(columns=["id"], with_row_id=True)
    pictures = {
        row: int(item[:6]) for row, item in zip(table["_rowid"].to_pylist(), table["id"].to_pylist(), strict=True)
    }
    there = _pairs(np.bincount(list(pictures.values())))
    found, right = 0, 0
    duplicates = find_duplicates(searcher, options).found
    for members in duplicates.groups():
        counts = np.bincount([pictures[row] for row in duplicates.rows[members].tolist()])
        found += len(members) * (len(members) - 1) // 2
        right += _pairs(counts)
    return right / found if found else 1.0, right / there


def _pairs(counts: np.ndarray) -> int:
    return int((counts * (counts - 1) // 2).sum())


def rows_of(searcher: Searcher, bundle: Bundle, *, barred: bool) -> Iterator[Row]:
    """What is measured of one corpus."""
    measured = measure_threshold(searcher, bundle)
    at = measured.threshold
    yield Row("measured threshold", at, "cosine")
    for kind, cosines in measured.copies.items():
        yield Row(f"{kind}: 19 of 20 copies reach", float(np.quantile(cosines, 0.05)), "cosine")
    ways = {
        "": Options(at), ", in chains": Options(at, chains=True), ", or hashes within 4 bits": Options(at, bits=4),
        ", or hashes within 7 bits": Options(at, bits=7), **{f" {each}": Options(each) for each in THRESHOLDS},
    }  # fmt: skip
    for name, options in ways.items():
        precision, recall = quality(searcher, options)
        bars = (PRECISION_BAR, RECALL_BAR) if barred and not name else (None, None)
        where = f"threshold{name}" if name[1:].replace(".", "").isdigit() else f"measured threshold{name}"
        yield Row(f"{where}: precision", precision, "", bars[0])
        yield Row(f"{where}: recall", recall, "", bars[1])


def main() -> None:
    """Print a table for each corpus."""
    parser = argparse.ArgumentParser(description="near-duplicates with a known answer")
    parser.add_argument("--bundle", default="scenes-s")
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--source", action="append", default=[])
    options, _ = parser.parse_known_args()
    bundle = Bundle.open(find_bundle(options.bundle, Path()))
    for place, (name, files) in enumerate(corpora(options.pictures, options.source)):
        with tempfile.TemporaryDirectory() as folder:
            pictures = Path(folder, "pictures")
            pictures.mkdir()
            write(files, pictures)
            searcher = indexed(bundle, pictures, Path(folder, "collections"))
            barred = place == 0 and options.bundle == "scenes-s"
            rows = list(rows_of(searcher, bundle, barred=barred))
        show(f"duplicates among {len(files)} of {name} and their copies, by {bundle.manifest.name}", rows)


if __name__ == "__main__":
    main()
