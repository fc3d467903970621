"""What things are called inside Milvus, where names are letters, digits and `_`.

An *alias* names what is served of a collection's images or captions: `vilem_photos_1a2b3c4d_images`. It points at one
*store*, which names the bundle whose vectors it holds, the version they were read at, and has a part of its own, so that
no two are ever mixed up: `vilem_photos_1a2b3c4d_images_9f8e7d6c5b4a_v12_0a1b2c3d`.
"""

import hashlib
import re
import uuid
from typing import Literal

Kind = Literal["images", "texts"]
KINDS: tuple[Kind, ...] = ("images", "texts")


def alias_of(collection: str, kind: Kind) -> str:
    """The alias of a collection's images or captions.

    `a-b` and `a.b` look alike once they are written with `_`: eight digits of a hash tell them apart.
    """
    plain = re.sub(r"[^a-z0-9]", "_", collection)
    return f"vilem_{plain}_{hashlib.sha256(collection.encode()).hexdigest()[:8]}_{kind}"


def store_of(collection: str, kind: Kind, bundle_digest: str, version: int) -> str:
    """A new store for vectors of the bundle of that digest, read at that version."""
    return f"{alias_of(collection, kind)}_{bundle_digest[:12]}_v{version}_{uuid.uuid4().hex[:8]}"
