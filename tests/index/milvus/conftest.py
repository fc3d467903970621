"""One milvus-lite for each file of tests: opening one costs half a second."""

from collections.abc import Iterator

import pytest

from index.milvus.connection import Connection
from index.milvus.names import KINDS, alias_of
from index.milvus.store import drop_alias, drop_store
from index.milvus.target import Target
from tests.index.milvus.support import Server, opened, serving


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """An open file of milvus-lite."""
    with opened(tmp_path_factory.mktemp("lite") / "module.db") as connection:
        yield connection


@pytest.fixture
def target(lite: Connection) -> Target:
    """Where that file is; nothing was pushed to it yet."""
    for alias in (alias_of("test", kind) for kind in KINDS):
        drop_alias(lite, alias)
    for name in lite.call("list_collections"):
        drop_store(lite, name)
    return lite.target


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A milvus-lite behind a port."""
    with serving(tmp_path_factory.mktemp("server") / "server.db") as running:
        yield running
