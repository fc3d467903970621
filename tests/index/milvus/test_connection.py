"""Speaking to a Milvus, and what it says when it cannot."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.errors import (
    CollectionError,
    MilvusDenied,
    MilvusError,
    MilvusMismatch,
    MilvusNotInstalled,
    MilvusUnreachable,
)
from index.milvus import connection as connections
from index.milvus.connection import Connection
from index.milvus.store import create_store
from index.milvus.target import target_of
from tests.index.milvus.support import Server, opened

ROOT = Path(__file__).resolve().parents[3]


def python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        yield listening.getsockname()[1]


def test_nothing_is_needed_before_a_server_is_spoken_to(tmp_path: Path) -> None:
    """What serves may import all of this without pymilvus or milvus-lite; opening says what to install."""
    script = """
import sys, index.milvus.engine, index.milvus.push, vilem.cli.index_push
print([name for name in ("pymilvus", "milvus_lite") if name in sys.modules])
from index.errors import MilvusNotInstalled
from index.milvus.connection import Connection
from index.milvus.target import target_of
for missing, where in (("milvus_lite", sys.argv[1]), ("pymilvus", "milvus://127.0.0.1:1")):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        del sys.modules[name]
    sys.modules[missing] = None
    try:
        Connection.open(target_of(where))
    except MilvusNotInstalled as error:
        print(error)
"""
    done = python(script, tmp_path / "a.db")

    imported, *errors = done.stdout.splitlines() or [done.stderr]
    assert "[]" == imported
    lite, client = errors
    assert "needs milvus_lite" in lite
    assert "needs pymilvus" in client
    assert ".[cpu,milvus]" in client


def test_nobody_there_is_told_in_bounded_time() -> None:
    """A closed port answers at once: the error says where was looked."""
    with pytest.raises(MilvusUnreachable, match=r"no Milvus answers at milvus://127\.0\.0\.1:1 .*is it running"):
        Connection.open(target_of("milvus://127.0.0.1:1"))


def test_a_server_that_never_answers_is_given_up(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting takes no longer than its limit, though somebody accepts it."""
    monkeypatch.setattr(connections, "CONNECT_S", 0.5)
    began = time.monotonic()

    with pytest.raises(MilvusUnreachable):
        Connection.open(target_of(f"milvus://127.0.0.1:{silent}"))

    assert time.monotonic() - began < 10


def test_a_call_is_tried_again_until_patience_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that comes back meanwhile is answered by; one that does not is told after the patience."""
    with Connection.open(server.target, patience_s=20) as connection:
        server.stop()
        again = threading.Timer(0.3, server.start)
        again.start()
        assert [] == connection.call("list_collections")
        again.join()

        server.stop()
        monkeypatch.setattr(connection, "_patience_s", 0.3)
        began = time.monotonic()
        with pytest.raises(MilvusUnreachable):
            connection.call("list_collections")
        assert time.monotonic() - began < 10
        server.start()


def test_a_call_that_hangs_ends_with_its_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes a question and does not answer it is not waited for longer than the call allows."""
    from milvus_lite.adapter.grpc.servicer import MilvusServicer

    answered = threading.Event()
    with Connection.open(server.target, patience_s=0) as connection:
        hang = lambda *_: answered.wait(20)  # noqa: E731 - in place of a method
        monkeypatch.setattr(MilvusServicer, "HasCollection", hang)
        monkeypatch.setattr(MilvusServicer, "DescribeCollection", hang)
        server.stop()
        server.start()
        began = time.monotonic()
        with pytest.raises(MilvusUnreachable, match="milvus://"):
            connection.call("has_collection", "x", timeout_s=0.5)
        assert time.monotonic() - began < 10
        answered.set()


def test_a_database_that_is_not_there_is_told(server: Server) -> None:
    """The server's own words say which."""
    target = target_of(f"{server.target.uri}/nowhere")

    with pytest.raises(MilvusError, match="nowhere"), Connection.open(target) as connection:
        connection.call("list_collections")


def test_one_file_is_shared_by_a_process(tmp_path: Path) -> None:
    """Two connections to a file are two doors to one milvus-lite; the last to close ends it, and frees the file."""

    def is_free() -> bool:
        with (tmp_path / "a.db" / "LOCK").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    first, second = opened(tmp_path / "a.db"), opened(tmp_path / "a.db")
    first.close()
    first.close()
    assert [] == second.call("list_collections")
    assert not is_free()
    second.close()

    assert is_free()


def test_a_file_of_another_process_is_refused(tmp_path: Path) -> None:
    """milvus-lite has one process at a time: the second one is told so in a line, and no .env is read into its environment.

    The client would read any .env that lies above it.
    """
    (tmp_path / ".env").write_text("READ_FROM_DOTENV=1\n")
    script = """
import os, sys, dotenv
from pathlib import Path
dotenv.main.find_dotenv = lambda *_, **__: sys.argv[1]
from index.errors import MilvusUnreachable
from tests.index.milvus.support import opened
try:
    opened(Path(sys.argv[2]))
except MilvusUnreachable as error:
    print(error, "DOTENV" in " ".join(os.environ))
"""
    with opened(tmp_path / "a.db"):
        done = python(script, tmp_path / ".env", tmp_path / "a.db")

    assert "one process at a time" in done.stdout, done.stderr
    assert done.stdout.endswith(" False\n")
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A file in no folder says which folder is missing."""
    with pytest.raises(MilvusUnreachable, match="there is no folder"):
        opened(tmp_path / "nowhere" / "a.db")


def test_refusals_are_errors_of_ours_and_write_no_traceback(
    lite: Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the client logs with a traceback comes as one error, that the command line can show."""
    with pytest.raises(MilvusMismatch, match="does not exist"):
        lite.call("search", "nothing_here", data=[[1.0]], limit=1)
    create_store(lite, "four", 4, "FLAT")
    with pytest.raises(MilvusError, match=r"refused to upsert: .*expected dim 4"):
        lite.call("upsert", "four", data=[{"row": 1, "vector": [0.0]}])

    assert "Traceback" not in capfd.readouterr().err


class Denied(Exception):
    """As gRPC says it."""

    def code(self) -> object:
        """Whose name is all that is looked at."""
        return type("Code", (), {"name": "UNAUTHENTICATED"})()

    def details(self) -> str:
        """A server that repeats what it was sent."""
        return "auth check failure for root:hunter2, password hunter2"


@pytest.mark.parametrize("token", ["root:hunter2", "hunter2"])
def test_a_token_is_never_in_a_message(token: str) -> None:
    """Whatever a server answers, neither the token nor its password is repeated."""
    error = connections.in_our_words(Denied(), target_of("milvus://host"), token, "search")

    assert isinstance(error, MilvusDenied)
    assert "VILEM_MILVUS_TOKEN" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("kind", [MilvusDenied, MilvusMismatch, MilvusNotInstalled, MilvusUnreachable])
def test_all_are_errors_of_a_collection(kind: type[Exception]) -> None:
    """One clause catches them: those of Milvus, and those of collections."""
    assert issubclass(kind, MilvusError)
    assert issubclass(kind, CollectionError)
