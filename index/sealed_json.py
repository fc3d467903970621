"""Small JSON files beside a collection's datasets that bear a hash of themselves: an altered one is refused, not believed."""

import hashlib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.errors import CollectionInvalid, CollectionTooNew
from models.sealed import schema_version_of, write_atomically


def refuse_newer(file: Path, data: bytes, newest: int) -> None:
    """Look at the version before the rest: a newer schema may have fields that this one does not know.

    Args:
        file: that *data* was read from.
        data: JSON.
        newest: schema version that is known.

    Raises:
        CollectionTooNew: it was written by a newer ViLEM.
        ValidationError: there is no version in it.
    """
    version = schema_version_of(data)
    if version > newest:
        raise CollectionTooNew(f"{file} has schema {version}, this ViLEM reads up to {newest}: upgrade ViLEM")


class SealedJson(BaseModel):
    """Base of what is written into one file; subclasses add fields, and give `schema_version` its default."""

    # infinity would come back from JSON's null as nothing
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    schema_version: int
    seal: str = Field(default="", description="SHA-256 of all the rest")

    def sealed(self) -> Self:
        """With its seal."""
        content = self.model_dump_json(exclude={"seal"})
        return self.model_copy(update={"seal": hashlib.sha256(content.encode()).hexdigest()})

    def write(self, file: Path) -> Self:
        """Replace the file, whole; what is in there now."""
        sealed = self.sealed()
        write_atomically(file, (sealed.model_dump_json(indent=2) + "\n").encode())
        return sealed

    @classmethod
    def read(cls, file: Path, remedy: str) -> Self | None:
        """What the file says; None where there is none.

        Args:
            file: where.
            remedy: what to do if it is damaged.

        Raises:
            CollectionTooNew: written by a newer ViLEM.
            CollectionInvalid: damaged or altered.
        """
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            refuse_newer(file, data, cls.model_fields["schema_version"].default)
            found = cls.model_validate_json(data)
        except ValidationError:
            found = None
        if found is None or found.seal != found.sealed().seal:
            raise CollectionInvalid(f"{file} is damaged: {remedy}")
        return found
