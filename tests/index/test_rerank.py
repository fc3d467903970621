"""index.rerank: hits in the order of cosine and proof together."""

from pathlib import Path

import numpy as np
import pytest

from index.errors import PatchesMissing
from index.rerank import in_order, patches_of_hits, read_beside, read_captions, rerank, rerank_captions
from index.schema import Record
from index.searcher import Hit
from models.bundle import Bundle
from models.errors import StoredImageInvalid
from models.proof import Proof
from models.proof_image import StoredImage
from models.proofreader import Proofreader

TEXT = "a red picture"


@pytest.fixture(scope="module")
def proofreader(proof_bundle: Path) -> Proofreader:
    """Of the small bundle."""
    return Proofreader.open(Bundle.open(proof_bundle))


@pytest.fixture(scope="module")
def images(proofreader: Proofreader) -> list[bytes]:
    """Four stored pictures of noise, each another."""
    side = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    return [image.to_bytes() for image in proofreader.encode_images(side)]


def hit(name: str, score: float, patches: bytes | None) -> Hit:
    """A hit of a search for images."""
    return Hit(name, score, Record(name, "file:///x", "0" * 64, 1, 1), None, patches)


def test_the_order_is_that_of_cosine_and_proof(proofreader: Proofreader) -> None:
    """A hit is moved by its proof as far as the calibrated weight says, and no further."""
    alpha = proofreader.spec.calibration.alpha
    hits = [hit("a", 0.50, b""), hit("b", 0.49, b""), hit("c", 0.1, b"")]
    proofs = [Proof(TEXT, (), score, 3) for score in (-0.02 / alpha, 0.0, 0.0)]

    read = in_order(proofreader, hits, proofs)

    assert ["b", "a", "c"] == [each.hit.id for each in read]
    assert np.allclose([0.49, 0.48, 0.1], [each.mixed for each in read])
    assert [proofs[1], proofs[0], proofs[2]] == [each.proof for each in read]


def test_equals_keep_the_order_of_their_vectors(proofreader: Proofreader) -> None:
    """Re-ranking hits that nothing tells apart changes nothing."""
    hits = [hit(name, 0.3, b"") for name in "abcd"]

    read = in_order(proofreader, hits, [Proof(TEXT, (), -1.0, 3)] * 4)

    assert list("abcd") == [each.hit.id for each in read]


def test_what_has_no_patches_stands_behind(proofreader: Proofreader, images: list[bytes]) -> None:
    """Hits of which nothing is stored follow in the order of their vectors, without proof, however good they seemed."""
    hits = [hit("x", 0.9, None), hit("a", 0.2, images[0]), hit("y", 0.1, None), hit("b", 0.0, images[1])]

    read = rerank(proofreader, TEXT, hits, words=True)

    assert {"a", "b"} == {each.hit.id for each in read[:2]}
    assert [("x", None, None), ("y", None, None)] == [(each.hit.id, each.proof, each.mixed) for each in read[2:]]


def test_proofs_are_the_proofreaders(proofreader: Proofreader, images: list[bytes]) -> None:
    """Each hit has the proof of its own image, from what was stored of it."""
    hits = [hit(str(place), 0.1 * place, image) for place, image in enumerate(images)]

    read = rerank(proofreader, TEXT, hits, words=True)

    expected = proofreader.check(TEXT, [StoredImage.from_bytes(image) for image in images])
    assert {str(place): proof for place, proof in enumerate(expected)} == {each.hit.id: each.proof for each in read}


def test_scores_alone_are_the_same_scores(proofreader: Proofreader, images: list[bytes]) -> None:
    """Whether words are asked for or not, pictures have the same scores; without, there are no words."""
    whole = read_beside(proofreader, TEXT, images, words=True)
    scores = read_beside(proofreader, TEXT, images, words=False)

    assert np.allclose([proof.score for proof in whole], [proof.score for proof in scores], atol=1e-5)
    assert {()} == {proof.words for proof in scores}
    assert all(proof.words for proof in whole)


def test_nothing_stored_of_any_is_said(proofreader: Proofreader) -> None:
    """When no hit has patches, the error says how they are made; no hits at all are no fault."""
    with pytest.raises(PatchesMissing, match="vilem index build"):
        rerank(proofreader, TEXT, [hit("a", 0.5, None)], words=False)
    assert [] == rerank(proofreader, TEXT, [], words=False)
    assert [] == patches_of_hits([])


def test_damaged_patches_are_told(proofreader: Proofreader, images: list[bytes]) -> None:
    """Bytes that are no stored image end the reading with an error of their own."""
    with pytest.raises(StoredImageInvalid):
        rerank(proofreader, TEXT, [hit("a", 0.5, images[0][:-3])], words=False)


def caption(name: str, score: float, text: str) -> Hit:
    """A hit of a search for captions."""
    return Hit(name, score, Record(name, "file:///x", "0" * 64, 1, 1), text)


@pytest.mark.parametrize("words", [True, False])
def test_captions_have_their_own_proofs(proofreader: Proofreader, images: list[bytes], *, words: bool) -> None:
    """Each caption that was found for a picture has its own text's proof; equal captions of two items have equal ones."""
    texts = ["a red picture", "the photo is blue", "a red picture", "a green picture"]
    hits = [caption(str(place), 0.1 * place, text) for place, text in enumerate(texts)]

    read = rerank_captions(proofreader, images[1], hits, words=words)

    image = StoredImage.from_bytes(images[1])
    expected = {text: proofreader.check(text, [image])[0] for text in texts}
    assert {"0", "1", "2", "3"} == {each.hit.id for each in read}
    for each in read:
        assert each.proof is not None
        assert each.mixed is not None
        own = expected[each.hit.caption or ""]
        assert own.score == pytest.approx(each.proof.score, abs=1e-4)
        assert (own.text, len(own.words) if words else 0) == (each.proof.text, len(each.proof.words))
        # as if each had the mean length, of 3, 4, 3 and 3 words
        moved = proofreader.spec.calibration.alpha * own.score * (13 / 4) / len(own.words)
        assert each.hit.score + moved == pytest.approx(each.mixed, abs=1e-5)
    assert [each.mixed for each in read] == sorted((each.mixed or 0 for each in read), reverse=True)


def test_captions_of_which_nothing_is_read_stand_behind(proofreader: Proofreader, images: list[bytes]) -> None:
    """No word of them is contradicted, for they have none: they follow in the order of their vectors, without proof."""
    said = {"a": "!!!", "b": "a green picture", "c": "\U0001f600", "d": "a red picture"}
    hits = [caption(name, 0.4 - 0.1 * place, text) for place, (name, text) in enumerate(said.items())]

    read = rerank_captions(proofreader, images[1], hits, words=True)

    assert {"b", "d"} == {each.hit.id for each in read[:2]}
    assert [("a", None, None), ("c", None, None)] == [(each.hit.id, each.proof, each.mixed) for each in read[2:]]


def test_a_caption_is_read_once(proofreader: Proofreader, images: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many items share a caption, the module reads it once."""
    asked: list[list[str]] = []
    check = Proofreader.check_texts

    def counted(self: Proofreader, texts: list[str], image: StoredImage, *, words: bool) -> list[Proof]:
        asked.append(texts)
        return check(self, texts, image, words=words)

    monkeypatch.setattr(Proofreader, "check_texts", counted)

    proofs = read_captions(proofreader, [TEXT, "blue", TEXT], images[0], words=False)

    assert [[TEXT, "blue"]] == asked
    assert proofs[0] == proofs[2] != proofs[1]
    assert [] == rerank_captions(proofreader, images[0], [], words=True)
