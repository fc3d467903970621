"""The keys that a running service knows."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index.errors import CollectionInvalid
from service.errors import KeysUnreadable
from service.guard import keyring as module
from service.guard.keyring import Keyring
from service.guard.keys import add_key, make_key, revoke_key

KEPT = make_key("shop", ["search"])[1]
LATER = make_key("later", ["search"])[1]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no file system that hangs."""
    monkeypatch.setattr(module, "WAIT_S", 20.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where keys are kept; nothing is there yet."""
    return tmp_path / "keys.json"


def names(keyring: Keyring) -> set[str] | None:
    """Of the keys that it knows now; None = it asks for none."""
    keys = asyncio.run(keyring.current())
    return None if keys is None else {each.name for each in keys.values()}


def test_without_a_file_none_is_asked_for(file: Path) -> None:
    """No file, no keys: anyone may."""
    keyring = Keyring(file, 0)

    assert names(keyring) is None
    assert not keyring.guarded


def test_keys_are_known_without_a_restart(file: Path) -> None:
    """What is made and revoked while it runs is seen; the first key closes what was open, and the last leaves it closed."""
    keyring = Keyring(file, 0)
    assert names(keyring) is None

    add_key(file, KEPT)
    assert {"shop"} == names(keyring)
    add_key(file, LATER)
    assert {"shop", "later"} == names(keyring)
    revoke_key(file, "shop")
    assert {"later"} == names(keyring)
    revoke_key(file, "later")
    assert set() == names(keyring)
    assert keyring.guarded


def test_a_revoked_key_is_refused_within_the_bound(file: Path) -> None:
    """Nothing is judged by what is older than the bound; before it the file is left alone."""
    add_key(file, KEPT)
    keyring = Keyring(file, 0.8)
    revoke_key(file, "shop")

    assert {"shop"} == names(keyring)
    time.sleep(0.8)
    assert set() == names(keyring)


def test_a_look_that_cannot_begin_is_begun_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started what is known holds, and once one can the file is looked at."""
    add_key(file, KEPT)
    keyring = Keyring(file, 0.0)
    revoke_key(file, "shop")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_room)
        assert {"shop"} == names(keyring)

    assert set() == names(keyring)


def _no_room(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_many_requests_look_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of requests that come together when it is time, one reads the file, and none is judged by the old one."""
    add_key(file, KEPT)
    keyring = Keyring(file, 0.05)
    add_key(file, LATER)
    time.sleep(0.05)
    reads: list[Path] = []
    stat = Path.stat

    def counted(path: Path, **options: bool) -> object:
        if path == file:
            reads.append(path)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", counted)

    async def together() -> list[object]:
        return await asyncio.gather(*(keyring.current() for _ in range(50)))

    assert all(len(found) == 2 for found in asyncio.run(together()))  # type: ignore[arg-type]
    assert 1 == len(reads)


def test_a_file_that_is_lost_lets_nobody_in(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once there were keys, no file is no leave: it is refused and logged, once, and mended when the file is back."""
    add_key(file, KEPT)
    keyring = Keyring(file, 0)
    kept = file.read_bytes()
    file.unlink()

    with caplog.at_level(logging.WARNING, "vilem.service"):
        for _ in range(3):
            with pytest.raises(KeysUnreadable):
                names(keyring)
        file.write_bytes(kept)
        assert {"shop"} == names(keyring)

    assert 1 == caplog.text.count("is gone")
    assert 1 == caplog.text.count("can be read again")


def test_a_damaged_file_lets_nobody_in(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that was cut lets in neither old keys nor new ones; the reason is in the log, and not in what clients see."""
    add_key(file, KEPT)
    keyring = Keyring(file, 0)
    file.write_bytes(file.read_bytes()[:-20])

    with caplog.at_level(logging.ERROR, "vilem.service"), pytest.raises(KeysUnreadable) as caught:
        names(keyring)

    assert str(file) in caplog.text
    assert str(file) not in str(caught.value)
    assert keyring.guarded


def test_a_file_that_is_damaged_at_the_start_is_an_error(file: Path) -> None:
    """A service does not begin with keys that it cannot read."""
    file.write_text("{}")

    with pytest.raises(CollectionInvalid):
        Keyring(file, 1)


@contextmanager
def hanging(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network file system whose server is gone: whoever looks at *file* waits until it is back."""
    back, stat = threading.Event(), Path.stat

    def waiting(path: Path, **options: bool) -> object:
        if path == file:
            back.wait(20)
        return stat(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", waiting)
        try:
            yield
        finally:
            back.set()


def test_a_file_system_that_hangs_holds_nobody_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys that were known hold; of many requests those of one moment wait, shortly, and the loop never; it is seen again when it is back."""
    monkeypatch.setattr(module, "WAIT_S", 0.1)
    add_key(file, KEPT)
    keyring = Keyring(file, 0)
    add_key(file, LATER)

    async def ask() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        with hanging(file, monkeypatch):
            began = loop.time()
            assert [1] * 50 == [
                len(each or ()) for each in await asyncio.gather(*(keyring.current() for _ in range(50)))
            ]
            first, began = loop.time() - began, loop.time()
            for _ in range(50):
                assert 1 == len(await keyring.current() or ())
            rest = loop.time() - began
        monkeypatch.setattr(module, "WAIT_S", 20.0)
        # one look hung, and saw the file as it is: the next is new
        await keyring.current()
        assert 2 == len(await keyring.current() or ())
        return first, rest

    first, rest = asyncio.run(asyncio.wait_for(ask(), 20))

    assert 0.1 <= first < 2
    assert rest < 0.1


def test_what_hangs_too_long_lets_nobody_in(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys that may long have been revoked are not believed for ever: beyond the bound it is refused, and logged once."""
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    monkeypatch.setattr(module, "STALE_S", 0.3)
    add_key(file, KEPT)
    keyring = Keyring(file, 0)

    with caplog.at_level(logging.WARNING, "vilem.service"), hanging(file, monkeypatch):
        assert {"shop"} == names(keyring)
        time.sleep(0.3)
        for _ in range(3):
            with pytest.raises(KeysUnreadable):
                names(keyring)

    assert 1 == caplog.text.count("has not answered")


def test_what_hangs_does_not_keep_the_process(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that looks is nobody's to wait for when the service ends."""
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    add_key(file, KEPT)
    keyring = Keyring(file, 0)

    with hanging(file, monkeypatch):
        names(keyring)
        looking = [each for each in threading.enumerate() if each.name == "keys"]

    assert looking
    assert all(each.daemon for each in looking)


def test_a_client_that_leaves_meanwhile_breaks_nothing(file: Path) -> None:
    """A request that is cancelled while it looks leaves the next one to look."""
    add_key(file, KEPT)
    keyring = Keyring(file, 0)

    async def leave() -> int:
        hasty = asyncio.create_task(keyring.current())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        hasty.cancel()
        return len(await keyring.current() or {})

    assert 1 == asyncio.run(leave())
