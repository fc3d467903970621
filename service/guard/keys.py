"""API keys: who may ask for what. A key is shown once, when it is made; the file holds its hash.

A key is `vilem_` + its id (64 bits) + `_` + a secret of 256 bits, in hex. Its hash is a plain SHA-256: salts and slow
hashes (bcrypt, Argon2) make guessing of what people choose dear, and nobody guesses one of 2^256; a slow one would be
paid by every request.

The file bears a hash of itself (`index.sealed_json`): a damaged one is refused, not believed. That is no signature: whoever
may write the file may give himself a key.
"""

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from index.sealed_json import SealedJson
from service.errors import KeyRefused

Scope = Literal["search", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FILE_NAME = "keys.json"

_PREFIX = "vilem"
_ID_BYTES = 8
_SECRET_BYTES = 32
_LENGTH = len(_PREFIX) + 2 * (_ID_BYTES + _SECRET_BYTES) + 2
_REMEDY = "copy it back from where it was saved, or remove it and make new keys; until then nobody is let in"


class ApiKey(BaseModel):
    """What is known of a key, which is all but the key itself.

    Attributes:
        id: in hex; a part of the key, and no secret.
        name: for people.
        sha256: of the key, in hex.
        scopes: what may be asked for: each by itself, none holds another.
        rate: requests a second, as many of which may come at once; None = any.
        concurrency: requests under way at a time; None = any.
        created_at: when it was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=rf"^[0-9a-f]{{{2 * _ID_BYTES}}}$")
    name: str = Field(pattern=r"^[\w.@-]{1,64}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    rate: float | None = Field(default=None, gt=0, le=1_000_000, allow_inf_nan=False)
    concurrency: int | None = Field(default=None, ge=1)
    created_at: datetime


class _KeyFile(SealedJson):
    schema_version: int = 1
    keys: tuple[ApiKey, ...] = ()


def make_key(
    name: str, scopes: Iterable[Scope], *, rate: float | None = None, concurrency: int | None = None
) -> tuple[str, ApiKey]:
    """A new key, and what is kept of it.

    Raises:
        ValidationError: a value is out of its bounds.
    """
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"{_PREFIX}_{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    kept = ApiKey(
        id=key_id,
        name=name,
        sha256=_hash(key),
        scopes=tuple(each for each in SCOPES if each in set(scopes)),
        rate=rate,
        concurrency=concurrency,
        created_at=datetime.now(UTC),
    )
    return key, kept


def holder(keys: Mapping[str, ApiKey], key: str) -> ApiKey | None:
    """Whose *key* it is, of *keys* by id; None when it is nobody's. Takes as long whatever of its secret is right."""
    if len(key) != _LENGTH:
        return None
    kept = keys.get(key[len(_PREFIX) + 1 : -2 * _SECRET_BYTES - 1])
    return kept if kept is not None and hmac.compare_digest(_hash(key), kept.sha256) else None


def read_keys(file: Path) -> dict[str, ApiKey] | None:
    """The keys of a file by id; None where there is no file.

    Raises:
        CollectionTooNew: written by a newer ViLEM.
        CollectionInvalid: damaged or altered.
        OSError: it cannot be read.
    """
    found = _KeyFile.read(file, _REMEDY)
    return None if found is None else {each.id: each for each in found.keys}


def add_key(file: Path, key: ApiKey) -> None:
    """Write one more key to the file, which is made where there is none.

    Raises:
        KeyRefused: another has the name, or the file cannot be written.
        CollectionInvalid, CollectionTooNew: as `read_keys`.
    """
    with _changing(file):
        known = read_keys(file) or {}
        if key.name in {each.name for each in known.values()}:
            raise KeyRefused(f"there is a key named {key.name!r}: choose another name, or revoke that one first")
        _KeyFile(keys=(*known.values(), key)).write(file)


def revoke_key(file: Path, named: str) -> ApiKey:
    """Take the key of that name, or id, from the file; what it was. A file without keys lets nobody in.

    Raises:
        KeyRefused: there is none, or the file cannot be written.
        CollectionInvalid, CollectionTooNew: as `read_keys`.
    """
    with _changing(file):
        known = read_keys(file) or {}
        for gone in known.values():
            if named in (gone.name, gone.id):
                _KeyFile(keys=tuple(each for each in known.values() if each is not gone)).write(file)
                return gone
    raise KeyRefused(f"{file} has no key {named!r}: `vilem keys list` shows those there are")


def _hash(key: str) -> str:
    # what is no UTF-8 is no key of ours, and must not be an error either
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


@contextmanager
def _changing(file: Path) -> Generator[None]:
    """Hold the file's folder: of two commands at a time the second sees what the first wrote."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyRefused(f"{file} cannot be written ({error.strerror}): run this where, and as whom, it can") from error
