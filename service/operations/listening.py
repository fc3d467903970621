"""The end of a listening socket, which several processes may share: who waits in it is heard, who comes later is not let wait."""

import ctypes
import socket
import struct

from service.settings import Settings

# Linux's number; Python's socket module has no name for it
_SO_ATTACH_FILTER = 26


def take_no_more(listening: socket.socket) -> None:
    """Let nobody new into the kernel's queue of a socket, whichever processes share it; who is in there may still be accepted.

    Linux has a filter for that: connections are not answered, and refused once the socket is closed. Elsewhere the queue is made as short
    as it can be.
    """
    # BPF_RET | BPF_K: of every packet keep 0 bytes
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0), 8)
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HL", 1, ctypes.addressof(instruction)))
    except OSError:
        listening.listen(0)


def lingering(settings: Settings) -> float:
    """Seconds for which a service that is being stopped still takes what comes: what is asked for, and no more than half."""
    return min(settings.linger_s, settings.drain_s / 2)
