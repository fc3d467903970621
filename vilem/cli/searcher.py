"""What a command searches: a collection by its snapshot, or by the Milvus it was pushed to."""

import atexit
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
