"""The laws of a part, kept by each of them. Whoever adds an engine adds a class here."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.allowed import Allowed
from index.faiss_cpu import FaissIndex
from index.gpu.served import served_by
from index.live.changes import Changes
from index.live.part import LivePart
from index.milvus.connection import Connection
from index.milvus.names import store_of
from index.milvus.part import MilvusPart
from index.milvus.store import Index, create_store, settle
from index.milvus.target import target_of
from index.parts import Found, VectorPart
from index.snapshot import LoadedPart
from tests.index.gpu.cards import in_memory, machine_s
from tests.index.parts.contract import DIM, Make, MakeWritable, ReadLaws, WriteLaws
from tests.index.parts.exact import ExactPart


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A milvus-lite of this module's own."""
    with Connection.open(target_of(str(tmp_path_factory.mktemp("lite") / "parts.db"))) as connection:
        yield connection


class FaissPart:
    """A snapshot's index as a part: what is allowed are positions, not rows."""

    def __init__(self, loaded: LoadedPart) -> None:
        self.dim = loaded.index.dim
        self.rows = loaded.index.rows
        self._loaded = loaded

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> Found:
        """The k best of each query."""
        allowed = None if among is None else Allowed(np.isin(self._loaded.rowids, among))
        return self._loaded.search(queries, k, allowed=allowed)


class LiveWriter:
    """A live part that moves on with each write, as a view does."""

    def __init__(self, part: LivePart) -> None:
        self.dim = DIM
        self._part = part

    @property
    def rows(self) -> int:
        """N."""
        return self._part.rows

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> Found:
        """The k best of each query."""
        return self._part.search(queries, k, among=among)

    def upsert(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Write rows."""
        self._part = self._part.after(Changes(np.zeros(0, np.int64), rows, vectors))

    def delete(self, rows: np.ndarray) -> None:
        """Remove rows."""
        self._part = self._part.after(Changes(rows, np.zeros(0, np.int64), np.zeros((0, DIM), np.float32)))


class TestExact(WriteLaws):
    """The oracle."""

    @pytest.fixture
    def make(self) -> MakeWritable:
        """In a dictionary."""
        return ExactPart


class TestFaissFlat(ReadLaws):
    """An exact snapshot."""

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        """Written and read again."""

        def saved(rows: np.ndarray, vectors: np.ndarray) -> VectorPart:
            path = tmp_path / f"{len(rows)}.faiss"
            FaissIndex.build([vectors], len(rows), DIM).save(path)
            return FaissPart(LoadedPart(FaissIndex.load(path), rows, {}))

        return saved


class TestCards(ReadLaws):
    """An exact snapshot that is searched on cards."""

    @pytest.fixture(params=[in_memory, machine_s], ids=["in memory", "machine's"])
    def make(self, request: pytest.FixtureRequest) -> Make:
        """On all of them."""
        gpus = request.param()
        return lambda rows, vectors: FaissPart(
            LoadedPart(served_by(FaissIndex.build([vectors], len(rows), DIM), gpus), rows, {})
        )


class TestLive(WriteLaws):
    """A snapshot of half the rows, and a tail."""

    @pytest.fixture
    def make(self) -> MakeWritable:
        """The first half was published, the other written since."""

        def live(rows: np.ndarray, vectors: np.ndarray) -> LiveWriter:
            half = len(rows) // 2
            loaded = LoadedPart(FaissIndex.build([vectors[:half]], half, DIM), rows[:half], {})
            part = LiveWriter(LivePart.of(loaded, DIM))
            part.upsert(rows[half:], vectors[half:])
            return part

        return live


def store(lite: Connection, index: Index, rows: np.ndarray, vectors: np.ndarray) -> MilvusPart:
    """Those rows in a store of their own."""
    part = MilvusPart(lite, create_store(lite, store_of("contract", "images", "0" * 64, len(rows)), DIM, index))
    part.upsert(rows, vectors)
    return part


class TestMilvus(WriteLaws):
    """On milvus-lite, where it holds in memory what was written last."""

    @pytest.fixture
    def make(self, lite: Connection) -> MakeWritable:
        """A store of its own for each."""
        return lambda rows, vectors: store(lite, "FLAT", rows, vectors)


class TestMilvusGraph(ReadLaws):
    """On milvus-lite, in segments with an HNSW graph each."""

    @pytest.fixture
    def make(self, lite: Connection) -> Make:
        """Half the rows in one segment, half in another, some replaced in between."""

        def settled(rows: np.ndarray, vectors: np.ndarray) -> MilvusPart:
            half = len(rows) // 2
            part = store(lite, "HNSW", rows[:half], -vectors[:half])
            settle(lite, part.store.name)
            part.upsert(rows, vectors)
            settle(lite, part.store.name)
            return part

        return settled
