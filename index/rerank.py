"""The best hits of a text, ordered anew by what their pictures say of its words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.errors import PatchesMissing
from index.searcher import Hit
from models.proof import Proof
from models.proof_image import StoredImage
from models.proofreader import Proofreader


@dataclass(frozen=True)
class Reread:
    """A hit after re-ranking; its proof and the score that it stands by are None where nothing was stored."""

    hit: Hit
    proof: Proof | None = None
    mixed: float | None = None


def patches_of_hits(hits: Sequence[Hit]) -> list[bytes]:
    """What is stored of the hits, of those that have it.

    Raises:
        PatchesMissing: there are hits, and none has.
    """
    stored = [hit.patches for hit in hits if hit.patches is not None]
    if hits and not stored:
        raise PatchesMissing(
            f"none of the {len(hits)} candidates has stored patches: run `vilem index build` with their source again, "
            "and a bundle that has a proofreader"
        )
    return stored


def read_beside(proofreader: Proofreader, text: str, images: Sequence[bytes], *, words: bool) -> list[Proof]:
    """One proof for each stored image; without *words* there are only their scores, which takes half as long.

    Raises:
        TextInvalid: *text* is not Unicode.
        StoredImageInvalid: an image is damaged, or another bundle's.
    """
    opened = [StoredImage.from_bytes(image) for image in images]
    if words:
        return proofreader.check(text, opened)
    return [Proof(text, (), score) for score in proofreader.score(text, opened).tolist()]


def in_order(proofreader: Proofreader, hits: Sequence[Hit], proofs: Sequence[Proof]) -> list[Reread]:
    """The hits by cosine and proof together, best first, with one proof for each that has patches.

    The others stand behind them, in the order of their vectors: nothing is known of their words.
    """
    able = [hit for hit in hits if hit.patches is not None]
    scores = np.array([proof.score for proof in proofs], np.float32)
    mixed = proofreader.rerank(np.array([hit.score for hit in able], np.float32), scores).tolist()
    # stable: equals keep the order of their vectors
    order = sorted(range(len(able)), key=lambda place: -mixed[place])
    read = [Reread(able[place], proofs[place], mixed[place]) for place in order]
    return read + [Reread(hit) for hit in hits if hit.patches is None]


def rerank(proofreader: Proofreader, text: str, hits: Sequence[Hit], *, words: bool) -> list[Reread]:
    """The hits of *text*, found with their patches, in their new order.

    Raises:
        PatchesMissing: there are hits, and nothing is stored of any.
        TextInvalid, StoredImageInvalid: as `read_beside`.
    """
    return in_order(proofreader, hits, read_beside(proofreader, text, patches_of_hits(hits), words=words))
