"""What a command searches: a collection by its snapshot, or by the Milvus it was pushed to."""

import atexit
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.searcher import Searcher


def milvus_token() -> str:
    """What a Milvus lets us in by; "" where it asks for nothing."""
    from service.settings import Settings

    return Settings().milvus_token.get_secret_value()


def searcher_of(home: Path, name: str) -> "Searcher":
    """The collection of that name, open until the process ends; raises as `Searcher.open`."""
    from index.searcher import Searcher

    searcher = Searcher.open(home / "collections", name, milvus_token=milvus_token())
    atexit.register(searcher.close)
    return searcher


@contextmanager
def held_searcher(home: Path, name: str) -> "Generator[Searcher]":
    """The same for a job that reads for long: what it sees is held, whatever is published or cleaned up meanwhile."""
    from index.versions import held_if_possible

    searcher = searcher_of(home, name)
    with held_if_possible(searcher.view.collection):
        yield searcher
