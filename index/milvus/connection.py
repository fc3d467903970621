"""Speaking to a Milvus: pymilvus loaded quietly, calls bounded in time, its errors in our words.

This is the only module that imports pymilvus, and it does so when a connection is opened: serving without it works.
"""

import importlib
import logging
import os
import threading
import time
from collections import Counter
from contextlib import suppress
from types import ModuleType
from typing import Any, Self

from index.errors import MilvusDenied, MilvusError, MilvusMismatch, MilvusNotInstalled, MilvusUnreachable
from index.milvus.target import Target

# One who waits for an answer waits no longer than this; loads, index builds and the like are given their own time.
CALL_S = 5.0
CONNECT_S = 5.0
# A server that restarts is back within this, or the search fails; a job has more patience.
SEARCH_PATIENCE_S = 2.0
JOB_PATIENCE_S = 60.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0

# gRPC waits up to minutes before it tries a lost server again, and shares that state between connections; its "min
# reconnect backoff" is how long one attempt to connect may take
_GRPC = {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": int(1000 * CONNECT_S),
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
}
_INSTALL = "pip install -c constraints.txt -e '.[cpu,milvus]'"
# of `pymilvus.exceptions.ErrorCode` and the server's own list
_CONNECT_FAILED, _COLLECTION_NOT_FOUND, _NOT_LOADED = 2, 100, (101, 503)

_lite_lock = threading.Lock()
_lite_users: Counter[str] = Counter()


class NotLoaded(MilvusError):
    """A store is there, and its server has not brought it into memory, as after a restart."""


class Connection:
    """An open connection; safe to share between threads, to be closed by who opened it.

    Attributes:
        target: where it leads.
        writing: held by whoever writes: milvus-lite has no order among writers of its own.
    """

    def __init__(self, client: Any, target: Target, token: str, patience_s: float) -> None:  # noqa: ANN401 - pymilvus is loaded late
        self.target = target
        self.writing = threading.Lock()
        self._client = client
        self._token = token
        self._patience_s = patience_s

    @classmethod
    def open(cls, target: Target, *, token: str = "", patience_s: float = SEARCH_PATIENCE_S) -> Self:
        """Connect.

        Args:
            target: where to.
            token: `user:password` or an API key; "" where the server asks for none.
            patience_s: how long a call is tried again while nothing answers.

        Raises:
            MilvusNotInstalled: pymilvus, or milvus-lite for a file, is not there.
            MilvusUnreachable: nothing answers, or another process has the file.
            MilvusDenied: the server wants another token.
        """
        pymilvus = _pymilvus(target)
        if target.file is not None:
            _start_lite(target)
        try:
            client = pymilvus.MilvusClient(
                target.address,
                token=token,
                db_name=target.database,
                timeout=CONNECT_S,
                dedicated=True,
                grpc_options=_GRPC,
            )
        except Exception as error:  # noqa: BLE001 - pymilvus lets gRPC's and its own through
            _stop_lite(target)
            raise in_our_words(error, target, token, "connect") from None
        return cls(client, target, token, patience_s)

    @property
    def is_lite(self) -> bool:
        """Whether milvus-lite answers: it is another program than the server, and can do less."""
        return "lite" in str(self.call("get_server_version"))

    def call(self, method: str, *arguments: Any, timeout_s: float = CALL_S, **named: Any) -> Any:  # noqa: ANN401 - as pymilvus has them
        """Call a method of `pymilvus.MilvusClient`, again while nothing answers: all that we ask may be asked twice.

        Raises:
            MilvusUnreachable: nothing answered in time.
            MilvusError: the server said no; see `index.errors`.
        """
        until = time.monotonic() + self._patience_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return getattr(self._client, method)(*arguments, timeout=timeout_s, **named)
            except Exception as error:  # noqa: BLE001 - pymilvus lets gRPC's and its own through
                said = in_our_words(error, self.target, self._token, method)
            if not isinstance(said, MilvusUnreachable) or time.monotonic() + pause > until:
                raise said from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Let go of it; the last one to close a file of milvus-lite ends what runs it."""
        if self._client is not None:
            self._client.close()
            self._client = None
            _stop_lite(self.target)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _pymilvus(target: Target) -> ModuleType:
    # python-dotenv would read every .env above site-packages into our environment
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        pymilvus = importlib.import_module("pymilvus")
        if target.file is not None:
            importlib.import_module("milvus_lite.server_manager")
    except ModuleNotFoundError as error:
        raise MilvusNotInstalled(f"speaking to Milvus needs {error.name}, which is not installed: {_INSTALL}") from None
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before
    for name in ("pymilvus", "pymilvus.decorators", "milvus_lite"):
        # they write a traceback for every "no such collection", and we raise what went wrong
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return pymilvus


def _start_lite(target: Target) -> None:
    folder = target.file.parent if target.file else None
    if folder is not None and not folder.is_dir():
        raise MilvusUnreachable(f"there is no folder {folder} for the file of {target.uri}: make it")
    with _lite_lock:
        _lite_users[target.address] += 1


def _stop_lite(target: Target) -> None:
    if target.file is None:
        return
    with _lite_lock:
        _lite_users[target.address] -= 1
        if _lite_users[target.address] > 0:
            return
        del _lite_users[target.address]
        manager = importlib.import_module("milvus_lite.server_manager").server_manager_instance
        with suppress(RuntimeError):
            manager.release_server(target.address)


def in_our_words(error: Exception, target: Target, token: str, method: str) -> MilvusError:
    """What went wrong, as one of our errors; never with the token in it."""
    code = getattr(error, "code", None)
    code = code() if callable(code) else code
    status = getattr(code, "name", "")
    said = str(getattr(error, "message", "") or getattr(error, "details", lambda: "")() or status or error)
    for secret in filter(None, (token, token.partition(":")[2])):
        said = said.replace(secret, "***")
    where = target.uri
    if target.file is not None and method == "connect":
        return MilvusUnreachable(
            f"{where} does not open: one process at a time may have such a file; stop the other, or use a server"
        )
    if status in ("UNAUTHENTICATED", "PERMISSION_DENIED") or "auth check" in said or "unauthenticated" in said.lower():
        return MilvusDenied(
            f"{where} does not let us in ({said}): set VILEM_MILVUS_TOKEN to user:password or an API key"
        )
    if code == _CONNECT_FAILED or status in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
        return MilvusUnreachable(
            f"no Milvus answers at {where} ({method}: {said}): is it running, is the address right?"
        )
    if code == _COLLECTION_NOT_FOUND:
        return MilvusMismatch(f"{where} does not have what was pushed to it ({said}): `vilem index push` puts it there")
    if code in _NOT_LOADED:
        return NotLoaded(f"{where} has not loaded it ({said})")
    return MilvusError(f"{where} refused to {method.replace('_', ' ')}: {said}")
