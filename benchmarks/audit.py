"""How many exchanged captions an audit finds: the captions of 5 % of the items of a corpus are given to one another.

    python -m benchmarks.audit [--bundle scenes-s] [--scenes 600] [--source TABLE_OR_TAR] [--share 0.05]

The corpus is rendered scenes, or the first items of --source that have captions. Each item has several captions, all exchanged with
those of another one. A pair counts as found when the mixture takes it for likelier wrong than right; and, as if the number of wrong
pairs were known, of so many lowest cosines the share that is wrong is told.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.duplicates import indexed
from benchmarks.table import Row, show
from index.audit.pairs import pairs_of
from index.neighbours import silent
from index.searcher import Searcher
from index.sources import SourceItem, open_source, read_uri
from models.bundle import Bundle, find_bundle
from models.scenes.corpus import generate

FOUND_BAR, PRECISION_BAR = 0.95, 0.95


def corpus(scenes: int, source: str | None) -> Iterator[tuple[bytes, list[str]]]:
    """Pictures with their captions."""
    if source is None:
        yield from ((each.png(), list(each.captions)) for each in generate("test", scenes, 5))
        return
    items = (item for item in open_source(source) if isinstance(item, SourceItem) and item.captions)
    yield from ((read_uri(item.uri), list(item.captions)) for item in islice(items, scenes))


def write(pairs: list[tuple[bytes, list[str]]], exchanged: np.ndarray, folder: Path) -> Path:
    """Write a table of the pictures, those of *exchanged* (n,) with the captions of the next of them."""
    owners = np.arange(len(pairs))
    owners[exchanged] = np.roll(exchanged, 1)
    lines: list[str] = []
    for number, (data, _) in enumerate(pairs):
        (folder / f"{number}.png").write_bytes(data)
        row = {"id": str(number), "path": f"{number}.png", "captions": pairs[int(owners[number])][1]}
        lines.append(json.dumps(row))
    table = folder / "table.jsonl"
    table.write_text("\n".join(lines) + "\n")
    return table


def rows_of(searcher: Searcher, exchanged: np.ndarray) -> list[Row]:
    """What is measured."""
    pairs = pairs_of(searcher.view.collection, silent)
    table = searcher.view.collection.items.to_table(columns=["id"], with_row_id=True)
    ids = dict(zip(table["_rowid"].to_pylist(), map(int, table["id"].to_pylist()), strict=True))
    wrong = np.isin([ids[row] for row in pairs.items.tolist()], exchanged)
    flagged = pairs.wrong() > 0.5
    lowest = np.argsort(pairs.cosines)[: wrong.sum()]
    right = int((flagged & wrong).sum())
    return [
        Row("pairs", len(pairs), ""),
        Row("exchanged", int(wrong.sum()), "pairs"),
        Row("flagged", int(flagged.sum()), "pairs"),
        Row("exchanged pairs that are flagged", right / max(1, wrong.sum()), "", FOUND_BAR),
        Row("flagged pairs that are exchanged", right / max(1, flagged.sum()), "", PRECISION_BAR),
        Row("expected number of wrong pairs, by the mixture", float(pairs.wrong().sum()), "pairs"),
        Row("of as many lowest cosines as are exchanged: exchanged", float(wrong[lowest].mean()), ""),
    ]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="how many exchanged captions an audit finds")
    parser.add_argument("--bundle", default="scenes-s")
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--source")
    parser.add_argument("--share", type=float, default=0.05)
    options, _ = parser.parse_known_args()
    bundle = Bundle.open(find_bundle(options.bundle, Path()))
    pairs = list(corpus(options.scenes, options.source))
    chosen = np.random.default_rng(0).choice(len(pairs), max(2, round(options.share * len(pairs))), replace=False)
    with tempfile.TemporaryDirectory() as folder:
        table = write(pairs, chosen, Path(folder))
        rows = rows_of(indexed(bundle, table, Path(folder, "collections")), chosen)
    if options.source is not None or options.bundle != "scenes-s":
        # the bars are for what the model knows
        rows = [Row(each.what, each.value, each.unit) for each in rows]
    show(f"audit of {len(pairs)} items, captions of {len(chosen)} exchanged, by {bundle.manifest.name}", rows)


if __name__ == "__main__":
    main()
