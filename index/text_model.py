"""Which bundle answers for a collection: the one that embedded it, or another of the same space.

The image vectors are the embedding bundle's for ever. A bundle whose image side is the same, file for file, may have
another text tower, such as `vilem distill-text` makes: the file `text-model.json` beside `collection.json` names it. The
file is written whole, and holds no claim about spaces: they are compared when it is written, and the digest in it
covers every file of the bundle that was compared.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.errors import BundleMismatch, CollectionInvalid
from index.schema import CollectionInfo
from index.sealed_json import refuse_newer
from models.manifest import BundleManifest
from models.sealed import write_atomically

TEXT_MODEL_FILE = "text-model.json"
SCHEMA_VERSION = 1


class TextModel(BaseModel):
    """`text-model.json`: the bundle that embeds queries, and may embed what is added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    bundle_digest: str = Field(description="SHA-256 of the bundle's manifest")
    bundle_name: str


def text_model(path: Path, info: CollectionInfo) -> TextModel:
    """The bundle that answers for the collection in folder *path*: the embedding one, unless another was chosen.

    Raises:
        CollectionTooNew: the choice was written by a newer ViLEM.
        CollectionInvalid: its file is damaged.
    """
    return chosen(path) or TextModel(bundle_digest=info.bundle_digest, bundle_name=info.bundle_name)


def chosen(path: Path) -> TextModel | None:
    """What was chosen for the collection in folder *path*, if anything; raises as `text_model`."""
    file = path / TEXT_MODEL_FILE
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        refuse_newer(file, data, SCHEMA_VERSION)
        return TextModel.model_validate_json(data)
    except ValidationError as error:
        raise CollectionInvalid(
            f"{file} is damaged: remove it, and choose the text model again with `vilem index text-model`"
        ) from error


def choose_text_model(path: Path, info: CollectionInfo, embedded_by: BundleManifest, other: BundleManifest) -> None:
    """Let bundle *other* answer for the collection in folder *path* from now on; its own bundle takes the choice back.

    Args:
        path: of the collection.
        info: of the collection.
        embedded_by: manifest of the bundle that embedded it.
        other: manifest of the bundle that shall answer; its files were compared with it.

    Raises:
        BundleMismatch: *embedded_by* did not embed it, or the two have different spaces.
        BundleInvalid: a manifest does not seal its image graph.
    """
    if embedded_by.digest() != info.bundle_digest:
        raise BundleMismatch(
            f"collection {info.name} was embedded by bundle {info.bundle_name} ({info.bundle_digest[:12]}…), not by "
            f"{embedded_by.name} ({embedded_by.digest()[:12]}…): compare with that one"
        )
    if other.digest() == info.bundle_digest:
        (path / TEXT_MODEL_FILE).unlink(missing_ok=True)
        return
    spaces = embedded_by.space_digest(), other.space_digest()
    if spaces[0] != spaces[1]:
        raise BundleMismatch(
            f"bundle {other.name} gives images other vectors (space {spaces[1][:12]}…) than those of collection "
            f"{info.name} (space {spaces[0][:12]}…, of bundle {info.bundle_name}): its texts would find nothing there; "
            f"take a bundle that `vilem distill-text {info.bundle_name}` made, or index the pictures anew"
        )
    choice = TextModel(bundle_digest=other.digest(), bundle_name=other.name)
    write_atomically(path / TEXT_MODEL_FILE, (choice.model_dump_json(indent=2) + "\n").encode())
