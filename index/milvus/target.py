"""Where a Milvus is: `milvus://host:19530/database`, `milvus+tls://…`, or a file of milvus-lite that ends in `.db`."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from index.errors import MilvusError

DEFAULT_PORT = 19530
_SCHEMES = {"milvus": "http", "milvus+tls": "https"}
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_HOW = "write milvus://host:19530, milvus://host:19530/database, milvus+tls://host, or a file that ends in .db"


@dataclass(frozen=True)
class Target:
    """An address without secrets; equal targets are the same place.

    Attributes:
        uri: what names it, in messages and on disk.
        address: what pymilvus connects to.
        database: in which database of the server; "" = its default.
        file: of milvus-lite; None for a server.
    """

    uri: str
    address: str
    database: str = ""
    file: Path | None = None


def target_of(uri: str) -> Target:
    """Read an address.

    Raises:
        MilvusError: it is not of a form above, or holds a password: those come from the environment.
    """
    if uri.endswith(".db"):
        file = Path(uri.removeprefix("milvus://")).expanduser().absolute()
        return Target(f"milvus://{file}", str(file), file=file)
    try:
        parts = urlsplit(uri)
        # a port that is no number is noticed only when it is asked for
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        raise MilvusError(f"this is no address of a Milvus: {_HOW}") from None
    # first, and without repeating the address: it may hold a password
    if "@" in uri:
        raise MilvusError("an address must not hold a user or password: set VILEM_MILVUS_TOKEN to user:password")
    database = parts.path.strip("/")
    if parts.scheme not in _SCHEMES or not host or parts.query or parts.fragment:
        raise MilvusError(f"{uri!r} is no address of a Milvus: {_HOW}")
    if database and not _DATABASE.fullmatch(database):
        raise MilvusError(f"{database!r} cannot name a database: use letters, digits and _, beginning with a letter")
    host = f"[{host}]" if ":" in host else host
    named = f"{parts.scheme}://{host}:{port}" + (f"/{database}" if database else "")
    return Target(named, f"{_SCHEMES[parts.scheme]}://{host}:{port}", database)
