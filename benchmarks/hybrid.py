"""What words bring beside vectors on rendered scenes, and what a search by words costs among a million captions.

    python -m benchmarks.hybrid [--small] [--scenes N] [--captions N]

Quality: each held-out scene is asked for with one of its five captions; the other four are what is stored of it. Dense is the
shipped scenes-s, text against picture; lexical is BM25 over the four; both give 100 candidates to be fused. Cost: captions of
ten words that are distributed as words are (Zipf), five for an item; queries are made of the words of stored captions.
Differences are taken inside one run. `--small` takes a minute.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from lance.query import MatchQuery

from benchmarks.table import Row, show
from index.collection import Collection
from index.fusion import reciprocal_rank_fusion, weighted_fusion
from index.lexical.search import search_texts
from index.lexical.text_index import text_index
from index.lexical.upkeep import index_texts
from index.ranking import Ranking, best_of
from index.rows import Entry
from index.schema import Record
from models.bundle import Bundle
from models.scenes.corpus import generate

SCENES_S = Path(__file__).parents[1] / "models" / "bundles" / "scenes-s"
CANDIDATES = 100
CAPTIONS_OF_AN_ITEM = 5
VOCABULARY = 20_000
WORDS_OF_A_CAPTION = 10
_CHUNK = 10_000
_DIM = 4


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="300 scenes and 20,000 captions")
    parser.add_argument("--scenes", type=int, default=None, help="held out, to search among (2,000)")
    parser.add_argument("--captions", type=int, default=None, help="to search among (1,000,000)")
    given = parser.parse_args()
    scenes = given.scenes or (300 if given.small else 2_000)
    captions = given.captions or (20_000 if given.small else 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        show(f"{scenes:,} held-out scenes, one caption asks for four others", quality(Path(folder), scenes))
    with tempfile.TemporaryDirectory() as folder:
        show(f"search by words among {captions:,} captions of {WORDS_OF_A_CAPTION} words", cost(Path(folder), captions))


def quality(root: Path, count: int) -> list[Row]:
    """Recall of each ranking and of both fusions."""
    bundle = Bundle.open(SCENES_S)
    examples = list(generate("test", count, 0, bundle.manifest.preprocess.size))
    queries = [each.captions[at % len(each.captions)] for at, each in enumerate(examples)]
    images = np.concatenate([bundle.embed_images(bundle.prepare(each.png())[None]) for each in examples])
    texts = np.concatenate([bundle.embed_texts(queries[at : at + 64]).vectors for at in range(0, count, 64)])
    stored = [
        _entry(at, [text for text in each.captions if text != query], images[at])
        for at, (each, query) in enumerate(zip(examples, queries, strict=True))
    ]
    collection = _collection(root, stored, bundle.manifest.dim)
    # a first commit numbers its rows from 0: the row id of scene n is n
    dense = [best_of(np.arange(count), images @ text).top(CANDIDATES) for text in texts]
    lexical = [search_texts(collection, query, CANDIDATES) for query in queries]
    pairs = list(zip(dense, lexical, strict=True))
    rankings: dict[str, list[Ranking]] = {
        "dense": dense,
        "lexical (best caption)": lexical,
        "reciprocal ranks": [reciprocal_rank_fusion(pair) for pair in pairs],
        "weighted 0.5 + 0.5": [weighted_fusion(pair, [0.5, 0.5], floors=[None, 0.0]) for pair in pairs],
        "weighted 0.8 + 0.2": [weighted_fusion(pair, [0.8, 0.2], floors=[None, 0.0]) for pair in pairs],
    }
    return [
        Row(f"{name}: recall@{k}", 100 * _recall(found, k), "%") for name, found in rankings.items() for k in (1, 10)
    ]


def cost(root: Path, count: int) -> list[Row]:
    """Milliseconds of searches, and seconds of upkeep."""
    rng = np.random.default_rng(0)
    items = count // CAPTIONS_OF_AN_ITEM
    began = time.perf_counter()
    collection = _collection(root, (_worded(at, rng) for at in range(items)), _DIM)
    rows = [Row("written and indexed", time.perf_counter() - began, "s")]
    allowed = {share: np.sort(rng.choice(items, max(1, int(share * items)), replace=False)) for share in (0.1, 0.001)}
    searches: dict[str, Callable[[str], object]] = {
        "Lance alone, captions": lambda text: _bare(collection, text),
        "search_texts, items": lambda text: search_texts(collection, text, 10),
        "all words": lambda text: search_texts(collection, text, 10, operator="and"),
        "a tenth allowed": lambda text: search_texts(collection, text, 10, allowed=allowed[0.1]),
        "a thousandth allowed": lambda text: search_texts(collection, text, 10, allowed=allowed[0.001]),
    }
    for words in (2, WORDS_OF_A_CAPTION):
        queries = _queries(rng, words)
        for name, search in searches.items():
            rows += _timed(f"{words} words, {name}", search, queries)
    return rows + _upkeep(collection, rng, items)


def _upkeep(collection: Collection, rng: np.random.Generator, items: int) -> list[Row]:
    """What 1,000 new captions cost each search until they are in the index, and to take them in."""
    fresh = 1_000 // CAPTIONS_OF_AN_ITEM
    collection.add([_worded(items + at, rng) for at in range(fresh)])
    queries = _queries(rng, 2)
    newer = collection.latest()
    rows = _timed("2 words, 1,000 captions not in the index", lambda text: search_texts(newer, text, 10), queries)
    began = time.perf_counter()
    index_texts(collection)
    rows.append(Row("1,000 captions taken in", time.perf_counter() - began, "s"))
    latest = collection.latest()
    index = text_index(latest.captions, "text")
    rows.append(Row("segments then", 0 if index is None else len(index.segments), ""))
    return rows + _timed("2 words then", lambda text: search_texts(latest, text, 10), queries)


def _bare(collection: Collection, text: str) -> object:
    query = MatchQuery(text, "text")
    return collection.captions.to_table(columns=["_score"], full_text_query=query, limit=10, with_row_id=True)


def _timed(name: str, search: Callable[[str], object], queries: Sequence[str]) -> list[Row]:
    search(queries[0])
    times: list[float] = []
    for query in queries:
        began = time.perf_counter()
        search(query)
        times.append(1000 * (time.perf_counter() - began))
    return [Row(f"{name}: median", float(np.median(times)), "ms"), Row("  p90", float(np.quantile(times, 0.9)), "ms")]


def _recall(found: Sequence[Ranking], k: int) -> float:
    return float(np.mean([number in ranking.rows[:k] for number, ranking in enumerate(found)]))


def _collection(root: Path, entries: Iterable[Entry], dim: int) -> Collection:
    collection = Collection.create(root, "hybrid", dim=dim, bundle_digest="0" * 64, bundle_name="none")
    chunk: list[Entry] = []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == _CHUNK:
            collection.add(chunk)
            chunk = []
    collection.add(chunk)
    collection.index_ids()
    index_texts(collection)
    return collection.latest()


def _worded(number: int, rng: np.random.Generator) -> Entry:
    captions = [_words(rng, WORDS_OF_A_CAPTION) for _ in range(CAPTIONS_OF_AN_ITEM)]
    return _entry(number, captions, np.ones(_DIM, np.float32))


def _queries(rng: np.random.Generator, words: int, count: int = 30) -> list[str]:
    return [_words(rng, words) for _ in range(count)]


def _words(rng: np.random.Generator, count: int) -> str:
    # the n-th most frequent word has a share of about 1/n; every captions' corpus has words such as "a" in nearly all
    ranks = np.exp(rng.random(count) * np.log(VOCABULARY)).astype(int)
    return " ".join(f"w{rank}" for rank in ranks)


def _entry(number: int, captions: Sequence[str], vector: np.ndarray) -> Entry:
    record = Record(f"item-{number:07d}", "file:///nowhere", "0" * 64, 1, 1, tuple(dict.fromkeys(captions)))
    return Entry(record, vector, np.repeat(vector[None], len(record.captions), axis=0))


if __name__ == "__main__":
    main()
