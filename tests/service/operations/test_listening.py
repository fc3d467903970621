"""How a listening socket ends."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.operations import listening
from service.settings import Settings


@given(st.floats(0.01, 1e4), st.floats(0, 1e4))
def test_lingering_leaves_time_to_end(drain_s: float, linger_s: float) -> None:
    """It is what was asked for, and never more than half of the time there is."""
    lingers = listening.lingering(Settings(drain_s=drain_s, linger_s=linger_s))

    assert lingers in (linger_s, drain_s / 2)
    assert lingers <= linger_s and lingers <= drain_s / 2


def test_who_waits_in_the_queue_is_still_accepted() -> None:
    """A socket that takes no more hands out those that were there, and lets nobody new in; closed, it refuses them."""
    opened = socket.create_server(("127.0.0.1", 0))
    opened.settimeout(5)
    address = opened.getsockname()
    early = socket.create_connection(address, timeout=5)
    listening.take_no_more(opened)
    with pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=0.1)
    accepted, _ = opened.accept()
    early.sendall(b"heard")

    assert b"heard" == accepted.recv(10)
    opened.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_without_the_kernels_filter_the_queue_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no such filter the socket goes on, and the server with it."""
    monkeypatch.setattr(listening, "_SO_ATTACH_FILTER", 9999)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        listening.take_no_more(opened)
        socket.create_connection(opened.getsockname(), timeout=5).close()
