"""From a filter to row ids: how long it takes at each selectivity, what indexes give, and what fields cost to make.

    python -m benchmarks.filter_rows [--rows 1000000] [--small]

A collection of products with metadata of seven keys: price (log-normal), brand (40, Zipf), name (all different), tags (two of
200), made (a time), sale (a boolean) and place (a point). Fields are inferred from the metadata and indexed as `vilem index build`
does. "scan" is the same filter with every index passed by, in the same run. Times are the best of five, in milliseconds.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from benchmarks.table import Row, show
from index.collection import Collection
from index.datasets import ITEMS
from index.fields.change import add_fields
from index.fields.indexes import index_fields
from index.fields.survey import survey
from index.fields.types import fields_of
from index.filters.facets import facet_counts
from index.filters.grammar import parse_filter
from index.filters.rows import matching_rows
from index.schema import items_schema

DIM = 8
BATCH = 50_000
# architecture.md: filter to row ids 2 to 37 ms at 1 M rows
MOST_MS = 40.0
NAMES = {
    "price 50 %": {"price": {"lt": 20.0}},
    "price 10 %": {"price": {"lt": 5.555}},
    "price 1 %": {"price": {"lt": 1.953}},
    "price 0.1 %": {"price": {"lt": 0.91}},
    "not price 0.1 %": {"not": {"price": {"lt": 0.91}}},
    "one brand": {"brand": "brand-7"},
    "ten brands": {"brand": [f"brand-{number}" for number in range(10)]},
    "one tag": {"tags": {"contains": "tag-7"}},
    "name begins with": {"name": {"prefix": "name-0012"}},
    "name contains": {"name": {"contains": "0012"}},
    "1,000 ids": {"id": [f"id-{number:08d}" for number in range(0, 50_000, 50)]},
    "a week": {"made": {"gte": "2024-03-01", "lt": "2024-03-08"}},
    "within 50 km": {"field": "place", "op": "geo", "value": {"lat": 48.1, "lon": 11.5, "radius_m": 50_000}},
    "brand, price, tag": {"brand": "brand-7", "price": {"lt": 20.0}, "tags": {"contains": "tag-7"}},
}
# what is answered by reading a column of texts through, which no index spares
UNBARRED = {"name contains"}


def metadata(start: int, size: int, dice: np.random.Generator) -> list[dict[str, Any]]:
    """Of *size* products; a tenth has no price."""
    prices = 20 * dice.lognormal(0, 1, size)
    brands = np.minimum(dice.zipf(1.3, size), 40)
    tags = dice.integers(0, 200, (size, 2))
    days = dice.integers(0, 1000, size)
    lats, lons = dice.uniform(47, 55, size), dice.uniform(6, 15, size)
    return [
        {
            **({} if number % 10 == 9 else {"price": round(float(prices[number]), 4)}),
            "brand": f"brand-{brands[number]}",
            "name": f"name-{(start + number) * 7919 % 1_000_003:07d}",
            "tags": [f"tag-{tag}" for tag in tags[number]],
            "made": str(np.datetime64("2022-06-01") + days[number]),
            "sale": bool(number % 3),
            "place": {"lat": float(lats[number]), "lon": float(lons[number])},
        }
        for number in range(size)
    ]


def products(root: Path, rows: int) -> Collection:
    """A collection of them, without fields."""
    collection = Collection.create(root, "shop", dim=DIM, bundle_digest="0" * 64, bundle_name="none")
    dice = np.random.default_rng(0)

    def batches() -> Any:  # noqa: ANN401 - Arrow's batches
        for start in range(0, rows, BATCH):
            size = min(BATCH, rows - start)
            texts = pa.array([json.dumps(each) for each in metadata(start, size, dice)])
            columns = {
                "id": [f"id-{start + number:08d}" for number in range(size)],
                "uri": ["file:///x"] * size,
                "sha256": ["0" * 64] * size,
                "width": [640] * size,
                "height": [480] * size,
                "captions": [[]] * size,
                "metadata": texts,
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.ones(size * DIM, np.float16)), DIM),
            }
            yield from pa.table(columns, schema=items_schema(DIM)).to_batches()

    reader = pa.RecordBatchReader.from_batches(items_schema(DIM), batches())
    lance.write_dataset(reader, collection.path / ITEMS, mode="append")
    collection.refresh()
    return collection


def best_ms(work: Callable[[], object], times: int = 5) -> float:
    """The fastest of some runs."""
    found: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(1_000 * (time.perf_counter() - began))
    return min(found)


def making(collection: Collection) -> list[Row]:
    """What it costs to look at the metadata, fill the columns and index them."""
    count = collection.count()
    began = time.perf_counter()
    found = survey(collection.items)
    looked = time.perf_counter() - began
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    add_fields(collection, [proposal.field for proposal in found.proposals])
    filled = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    began = time.perf_counter()
    collection.index_ids()
    index_fields(collection)
    indexed = time.perf_counter() - began
    collection.refresh()
    return [
        Row("metadata looked at", count / looked, "rows/s"),
        Row("seven fields filled", count / filled, "rows/s"),
        Row("peak memory while filling, above before", grown, "MiB", 300, at_most=True),
        Row("indexes over all of them and the ids", indexed, "s"),
    ]


def asking(collection: Collection, root: Path) -> list[Row]:
    """Each filter with indexes and without, and facets over what half of all items are."""
    items, plain = collection.items, _without_indexes(collection.items, root / "plain.lance")
    fields = fields_of(items.schema)
    rows: list[Row] = []
    for what, asked in NAMES.items():
        node = parse_filter(asked, fields)
        found, expected = matching_rows(items, node), matching_rows(plain, node)
        if not np.array_equal(found, expected):
            raise SystemExit(f"{what}: {len(found)} rows by index, {len(expected)} by scan")
        scan_ms = best_ms(lambda node=node: matching_rows(plain, node), 3)
        value = best_ms(lambda node=node: matching_rows(items, node))
        bar = None if what in UNBARRED else MOST_MS
        rows.append(Row(f"{what}: {len(found):,} rows, scan {scan_ms:.1f} ms", value, "ms", bar, at_most=True))
    half = matching_rows(items, parse_filter(NAMES["price 50 %"], fields))
    for names in (["brand"], ["tags"], ["price"], ["brand", "tags", "price", "sale"]):
        value = best_ms(lambda names=names: facet_counts(items, names, half), 3)
        rows.append(Row(f"facets of {', '.join(names)} over {len(half):,} rows", value, "ms"))
    return rows


def _without_indexes(items: lance.LanceDataset, path: Path) -> lance.LanceDataset:
    columns = [name for name in items.schema.names if name not in ("vector", "metadata")]
    return lance.write_dataset(
        items.scanner(columns=columns, scan_in_order=True).to_reader(), path, enable_stable_row_ids=True
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--small", action="store_true", help="20,000 rows, to try the script")
    options = parser.parse_args()
    rows = 20_000 if options.small else options.rows
    with tempfile.TemporaryDirectory() as folder:
        collection = products(Path(folder), rows)
        table = [*making(collection), *asking(collection, Path(folder))]
    show(f"Filters to row ids, {rows:,} items", table)


if __name__ == "__main__":
    main()
