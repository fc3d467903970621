"""The best hits of a search, ordered anew by what pictures say of words: a text's pictures, or a picture's captions."""

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
    """A hit after re-ranking; its proof and the score that it stands by are None where nothing was stored, or read."""

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
    return proofreader.check(text, [StoredImage.from_bytes(image) for image in images], words=words)


def read_captions(proofreader: Proofreader, texts: Sequence[str], image: bytes, *, words: bool) -> list[Proof]:
    """One proof for each text beside one stored image; a text that comes several times is read once.

    Raises:
        TextInvalid: a text is not Unicode.
        StoredImageInvalid: the image is damaged, or another bundle's.
    """
    different = list(dict.fromkeys(texts))
    proofs = proofreader.check_texts(different, StoredImage.from_bytes(image), words=words)
    found = dict(zip(different, proofs, strict=True))
    return [found[text] for text in texts]


def in_order(proofreader: Proofreader, hits: Sequence[Hit], proofs: Sequence[Proof]) -> list[Reread]:
    """The hits by cosine and proof together, best first, with one proof for each that has patches.

    The others stand behind them, in the order of their vectors: nothing is known of their words.
    """
    able = [hit for hit in hits if hit.patches is not None]
    read = _ordered(able, proofs, proofreader.rerank(_cosines(able), _scores(proofs)))
    return read + [Reread(hit) for hit in hits if hit.patches is None]


def captions_in_order(proofreader: Proofreader, hits: Sequence[Hit], proofs: Sequence[Proof]) -> list[Reread]:
    """The captions that were found by cosine and proof together, best first, with one proof for each of which a word was read.

    The others stand behind them, in the order of their vectors: nothing contradicts what says nothing.
    """
    able = [(hit, proof) for hit, proof in zip(hits, proofs, strict=True) if proof.read]
    said, given = [hit for hit, _ in able], [proof for _, proof in able]
    read = np.array([proof.read for proof in given], np.int64)
    ordered = _ordered(said, given, proofreader.rerank_texts(_cosines(said), _scores(given), read))
    return ordered + [Reread(hit) for hit, proof in zip(hits, proofs, strict=True) if not proof.read]


def rerank(proofreader: Proofreader, text: str, hits: Sequence[Hit], *, words: bool) -> list[Reread]:
    """The hits of *text*, found with their patches, in their new order.

    Raises:
        PatchesMissing: there are hits, and nothing is stored of any.
        TextInvalid, StoredImageInvalid: as `read_beside`.
    """
    return in_order(proofreader, hits, read_beside(proofreader, text, patches_of_hits(hits), words=words))


def rerank_captions(proofreader: Proofreader, image: bytes, hits: Sequence[Hit], *, words: bool) -> list[Reread]:
    """The captions that were found with a stored *image*, in their new order.

    Raises:
        TextInvalid, StoredImageInvalid: as `read_captions`.
    """
    texts = [hit.caption or "" for hit in hits]
    return captions_in_order(proofreader, hits, read_captions(proofreader, texts, image, words=words))


def _cosines(hits: Sequence[Hit]) -> np.ndarray:
    return np.array([hit.score for hit in hits], np.float32)


def _scores(proofs: Sequence[Proof]) -> np.ndarray:
    return np.array([proof.score for proof in proofs], np.float32)


def _ordered(hits: Sequence[Hit], proofs: Sequence[Proof], mixed: np.ndarray) -> list[Reread]:
    """One proof and one value for each hit; stable, so that equals keep the order of their vectors."""
    values = mixed.tolist()
    order = sorted(range(len(hits)), key=lambda place: -values[place])
    return [Reread(hits[place], proofs[place], values[place]) for place in order]
