"""The proofreader of a bundle that knows four colours, without torch in sight: right, calibrated as told, and hard to upset."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.errors import BundleAltered, BundleInvalid, ProofreaderMissing, StoredImageInvalid, TextInvalid
from models.manifest import MANIFEST_NAME, read_manifest
from models.proof import Proof
from models.proof_image import StoredImage
from models.proofreader import Proofreader

PAINT = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "yellow": (200, 200, 0)}
COLOURS = tuple(PAINT)
PIXELS = np.stack([np.full((32, 32, 3), paint, np.uint8) for paint in PAINT.values()])


@pytest.fixture(scope="module")
def bundle(proof_bundle: Path) -> Bundle:
    """The bundle that knows four colours."""
    return Bundle.open(proof_bundle)


@pytest.fixture(scope="module")
def reader(bundle: Bundle) -> Proofreader:
    """Its proofreader."""
    return Proofreader.open(bundle)


@pytest.fixture(scope="module")
def images(reader: Proofreader) -> list[StoredImage]:
    """A picture of each colour, as it is kept."""
    return reader.encode_images(PIXELS)


def supports(proof: Proof) -> dict[str, float | None]:
    """By word."""
    return {word.text: word.support for word in proof.words}


def test_the_colour_that_a_picture_has_is_supported(reader: Proofreader, images: list[StoredImage]) -> None:
    """A colour's name is supported beside its own picture and by no other; words about nothing always are."""
    for place, colour in enumerate(COLOURS):
        for other, proof in enumerate(reader.check(f"a {colour} picture", images)):
            found = supports(proof)
            assert (place == other) == (found[colour] > 0.5), (colour, COLOURS[other], found)
            assert min(found["a"], found["picture"]) > 0.5


def test_the_right_colour_is_the_first_correction(reader: Proofreader, images: list[StoredImage]) -> None:
    """Where a colour is wrong the picture's is proposed first, with a probability; what is right gets no proposal."""
    proofs = reader.check("the photo is red", images)

    assert {()} == {word.corrections for word in proofs[0].words}
    for colour, proof in list(zip(COLOURS, proofs, strict=True))[1:]:
        (red,) = [word for word in proof.words if word.text == "red"]
        assert colour == red.corrections[0][0]
        assert 3 == len(red.corrections)
        chances = [chance for _, chance in red.corrections]
        assert sorted(chances, reverse=True) == chances
        assert 0 < sum(chances) <= 1 + 1e-6
        assert "red" not in dict(red.corrections)


def test_the_score_is_the_sum_of_the_words(reader: Proofreader, images: list[StoredImage]) -> None:
    """A proof's score is the sum of the logarithms of its words' supports, and `score` says the same."""
    proofs = reader.check("a green picture", images)

    expected = [sum(np.log(word.support) for word in proof.words) for proof in proofs]
    assert expected == pytest.approx([proof.score for proof in proofs], rel=1e-4)
    scores = reader.score("a green picture", images)
    assert np.float32 == scores.dtype
    assert scores == pytest.approx([proof.score for proof in proofs], rel=1e-5)
    assert 1 == int(scores.argmax())


def test_reranking_takes_from_what_is_contradicted(reader: Proofreader, images: list[StoredImage]) -> None:
    """With equal cosines the right picture comes first; every picture loses, and only a score of 0 leaves a cosine as it is."""
    scores = reader.score("a blue picture", images)

    mixed = reader.rerank(np.full(4, 0.3, np.float32), scores)

    assert 2 == int(mixed.argmax())
    assert (scores < 0).all()
    assert (mixed < 0.3).all()
    assert mixed == pytest.approx(0.3 + reader.spec.calibration.alpha * scores, rel=1e-5)
    assert [np.float32(0.3)] == reader.rerank(np.array([0.3], np.float32), np.zeros(1, np.float32)).tolist()


def test_images_are_the_bundle_s(bundle: Bundle, reader: Proofreader, images: list[StoredImage]) -> None:
    """The embeddings that come with the patches are the bundle's own, within 1e-4, and the size is the one foretold."""
    vectors = bundle.embed_images(PIXELS)

    assert np.abs(vectors - np.stack([image.embedding for image in images])).max() < 1e-4
    assert {reader.stored_bytes} == {len(image.to_bytes()) for image in images}
    assert (reader.spec.patches, reader.spec.channels, bundle.manifest.dim) == images[0].shape


def test_stored_images_are_read_as_fresh_ones(reader: Proofreader, images: list[StoredImage]) -> None:
    """What comes out of a collection gives exactly the proofs of what went in."""
    stored = [StoredImage.from_bytes(image.to_bytes()) for image in images]

    assert reader.check("a red picture", images) == reader.check("a red picture", stored)


def test_company_changes_nothing(reader: Proofreader, images: list[StoredImage]) -> None:
    """An image's proof is the same alone, among others, and beyond the size of a batch."""
    many = images * 20
    scores = reader.score("the photo is yellow", many)

    assert (80,) == scores.shape
    assert np.abs(scores - np.tile(scores[:4], 20)).max() < 1e-4
    alone = [reader.score("the photo is yellow", [image])[0] for image in images]
    assert alone == pytest.approx(scores[:4].tolist(), rel=1e-3, abs=1e-4)


def test_texts_beside_one_image_are_read_as_alone(reader: Proofreader, images: list[StoredImage]) -> None:
    """However long its company, and beyond the size of a batch, a text's proof is the one that it has alone."""
    texts = [*(f"a {colour} picture" for colour in COLOURS), "🎉", "the photo is red " * 5, "", "blue"] * 5

    proofs = reader.check_texts(texts, images[2])

    assert 40 == len(proofs)
    for text, proof in zip(texts, proofs, strict=True):
        (alone,) = reader.check(text, [images[2]])
        assert alone.text == proof.text
        assert alone.score == pytest.approx(proof.score, rel=1e-3, abs=1e-4)
        assert [word.support for word in alone.words] == pytest.approx([word.support for word in proof.words], abs=1e-4)
        assert [dict(word.corrections).keys() for word in alone.words] == [
            dict(word.corrections).keys() for word in proof.words
        ]
    bare = reader.check_texts(texts, images[2], words=False)
    assert [(each.text, each.read) for each in proofs] == [(each.text, each.read) for each in bare]
    assert {()} == {each.words for each in bare}
    scores = [each.score for each in bare]
    assert scores == pytest.approx([proof.score for proof in proofs], rel=1e-3, abs=1e-4)
    assert "a blue picture" == texts[int(np.argmax(scores[:4]))]


def test_no_texts_have_no_proofs(reader: Proofreader, images: list[StoredImage]) -> None:
    """Nothing to read is no fault; one text among others that is not Unicode is."""
    assert [] == reader.check_texts([], images[0])
    assert [] == reader.check_texts([], images[0], words=False)
    assert (0,) == reader.rerank_texts(*np.zeros((3, 0))).shape
    with pytest.raises(TextInvalid, match="lone surrogate"):
        reader.check_texts(["a red picture", "\ud800"], images[0], words=False)


def test_a_text_is_not_better_for_saying_less(reader: Proofreader) -> None:
    """Of two texts whose words are as likely as one another's, neither is preferred for its length; of one length they
    are ordered as pictures are; a text without words keeps its cosine."""
    cosines = np.array([0.3, 0.3, 0.3], np.float32)

    mixed = reader.rerank_texts(cosines, np.array([-0.2, -0.8, 0.0]), np.array([3, 12, 0]))
    alike = reader.rerank_texts(cosines, np.array([-0.2, -0.8, -0.1]), np.array([5, 5, 5]))

    assert mixed[0] == pytest.approx(mixed[1], abs=1e-6)
    assert mixed[2] == pytest.approx(0.3)
    # at the mean length of the three, five words
    assert mixed[0] == pytest.approx(0.3 - reader.spec.calibration.alpha * 0.2 / 3 * 5)
    assert alike == pytest.approx(reader.rerank(cosines, np.array([-0.2, -0.8, -0.1])), abs=1e-6)


def test_threads_may_share_it(bundle: Bundle, images: list[StoredImage]) -> None:
    """Eight threads on a proofreader whose graphs are not loaded yet get what one would."""
    fresh = Proofreader.open(bundle)
    texts = [f"a {colour} picture" for colour in COLOURS] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: fresh.score(text, images), texts))

    for text, scores in zip(texts, found, strict=True):
        assert scores == pytest.approx(fresh.score(text, images), rel=1e-5)


def test_nothing_to_read_is_answered(reader: Proofreader, images: list[StoredImage]) -> None:
    """No images give no proofs; a text without words contradicts nothing."""
    assert [] == reader.check("a red picture", [])
    assert (0,) == reader.score("a red picture", []).shape
    assert [] == reader.encode_images(PIXELS[:0])
    for text in ("", "  ", "!?…", "🎉"):
        assert [((), 0.0)] * 4 == [(proof.words, proof.score) for proof in reader.check(text, images)]
        assert [0.0] * 4 == reader.score(text, images).tolist()


@pytest.mark.parametrize("threshold", [0.001, 0.3, 0.5, 0.999])
def test_a_word_is_contradicted_above_the_threshold(
    bundle: Bundle, images: list[StoredImage], tmp_path: Path, threshold: float
) -> None:
    """Contradicted, and corrected, are the words whose P(wrong) is above it; supports and scores are the same for each."""
    plain = Proofreader.open(bundle)
    folder = Path(shutil.copytree(bundle.path, tmp_path / "copy"))
    (folder / MANIFEST_NAME).write_bytes(read_manifest(folder).with_threshold(threshold).to_bytes())
    reader = Proofreader.open(Bundle.open(folder))

    for proof, before in zip(*(each.check("a red picture", images) for each in (reader, plain)), strict=True):
        assert (threshold, threshold, 0.5) == (reader.threshold, proof.threshold, before.threshold)
        assert (supports(before), before.score) == (supports(proof), proof.score)
        for word in proof.words:
            assert word.support is not None
            assert word.contradicted == (1 - word.support > threshold) == bool(word.corrections)
    assert threshold == reader.check("a red picture", images, words=False)[0].threshold


def test_corrections_can_be_asked_of_all_words_or_of_none(reader: Proofreader, images: list[StoredImage]) -> None:
    """Whoever measures gets the corrections of every word, or of none; what is said of the words stays the same."""
    usual = reader.check("a red picture", images)
    every, none = (reader.correcting(above).check("a red picture", images) for above in (-np.inf, np.inf))

    assert {True} == {bool(word.corrections) for proof in every for word in proof.words}
    assert {()} == {word.corrections for proof in none for word in proof.words}
    for proof, full, bare in zip(usual, every, none, strict=True):
        assert supports(proof) == supports(full) == supports(bare)
        assert proof.score == full.score == bare.score
        for word, told in zip(proof.words, full.words, strict=True):
            assert [text for text, _ in word.corrections] in ([], [text for text, _ in told.corrections])


def test_words_beyond_the_context_are_unread(reader: Proofreader, images: list[StoredImage]) -> None:
    """Words that the model's context cuts off are told without support, from the first that is cut to the last."""
    (proof,) = reader.check("a red picture " * 30, images[:1])

    read = [word.support is not None for word in proof.words]
    assert 90 == len(read)
    assert 2 < sum(read) < 24
    assert [True] * sum(read) + [False] * (90 - sum(read)) == read
    assert proof.score == pytest.approx(
        sum(np.log(word.support) for word in proof.words if word.support is not None), rel=1e-4
    )


def test_lone_surrogates_are_refused(reader: Proofreader, images: list[StoredImage]) -> None:
    """What is not Unicode is the caller's fault, also where there is nothing to compare with."""
    for some in (images, []):
        with pytest.raises(TextInvalid, match="lone surrogate"):
            reader.check("red \ud800", some)
        with pytest.raises(TextInvalid, match="lone surrogate"):
            reader.score("red \ud800", some)


def test_an_image_of_another_bundle_is_refused(reader: Proofreader, images: list[StoredImage]) -> None:
    """Patches of another number or width, or an embedding of another dimension, are told from this bundle's."""
    image = images[0]
    for other in (
        StoredImage(image.patches[1:], image.scales[1:], image.embedding),
        StoredImage(image.patches[:, 1:], image.scales, image.embedding),
        dataclasses.replace(image, embedding=image.embedding[1:]),
    ):
        with pytest.raises(StoredImageInvalid, match="with this bundle"):
            reader.check("a red picture", [image, other])
        with pytest.raises(StoredImageInvalid, match="with this bundle"):
            reader.score("a red picture", [image, other])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PIXELS, r"an array \(4, 32, 32, 3\) of uint8 is no stored image: call encode_images first"),
        ([PIXELS[0]], r"an array \(32, 32, 3\) of uint8 is no stored image: call encode_images first"),
        ([b"\x89PNG"], "a bytes is no stored image"),
        ([Path("red.png")], "a PosixPath is no stored image"),
        (Path("red.png"), "a PosixPath is no stored image"),
        ("red.png", "a str is no stored image"),
        ([None], "a NoneType is no stored image"),
    ],
)
def test_what_is_no_stored_image_is_told(reader: Proofreader, given: Sequence[StoredImage], said: str) -> None:
    """Pixels, files and paths are refused with the call that makes stored images of them, whatever is asked."""
    with pytest.raises(TypeError, match=said):
        reader.check("a red picture", given)
    with pytest.raises(TypeError, match="encode_images"):
        reader.score("a red picture", given)
    with pytest.raises(TypeError, match="encode_images"):
        reader.check_texts(["a red picture"], given)  # pyright: ignore[reportArgumentType]


def test_one_image_is_no_list(reader: Proofreader, images: list[StoredImage]) -> None:
    """A stored image in place of several is told to be put into a list."""
    with pytest.raises(TypeError, match=r"give \[image\]"):
        reader.check("a red picture", images[0])  # pyright: ignore[reportArgumentType]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_text_is_answered(text: str, reader: Proofreader, images: list[StoredImage]) -> None:
    """Whatever the text, its words are where they are said to be, supports lie in [0, 1], and no number is wrong."""
    (proof,) = reader.check(text, images[:1])

    assert proof.score <= 0
    for word in proof.words:
        assert word.text == proof.text[word.start : word.end]
        assert word.support is None or 0 <= word.support <= 1
        assert bool(word.corrections) <= word.contradicted == (word.support is not None and word.support < 0.5)
    assert reader.score(text, images[:1])[0] == pytest.approx(proof.score, rel=1e-4, abs=1e-5)


def test_a_bundle_without_one_says_how_to_get_one(tiny_bundle: Path) -> None:
    """Asking a plain bundle is an error that names the command."""
    with pytest.raises(ProofreaderMissing, match=r"'tiny' has no proofreader.*vilem train"):
        Proofreader.open(Bundle.open(tiny_bundle))


def test_nothing_is_loaded_before_it_is_needed(proof_bundle: Path, tmp_path: Path) -> None:
    """A bundle opens and embeds, and its proofreader opens, without a look into the proofreader's graphs."""
    folder = _copy(proof_bundle, tmp_path)
    spec = read_manifest(folder).proofreader
    assert spec is not None
    for name in (spec.image, spec.text, spec.reading):
        path = folder / name
        path.write_bytes(b"\0" * path.stat().st_size)
    bundle = Bundle.open(folder, verify=False)
    reader = Proofreader.open(bundle)

    assert (1, 16) == bundle.embed_texts(["a red picture"]).vectors.shape
    with pytest.raises(BundleInvalid, match=spec.text):
        reader.check("a red picture", [])
    with pytest.raises(BundleInvalid, match="export the bundle again"):
        reader.warm()


def test_its_files_are_sealed(proof_bundle: Path, tmp_path: Path) -> None:
    """A changed bit in any file of the proofreader is found when the bundle is opened."""
    for path in sorted(proof_bundle.glob("proof*")):
        folder = _copy(proof_bundle, tmp_path / path.name)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        (folder / path.name).write_bytes(content)
        with pytest.raises(BundleAltered, match=path.name):
            Bundle.open(folder)


@pytest.mark.parametrize("content", ['["red"]', '{"red": 1}', "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "no JSON"])
def test_a_broken_vocabulary_is_named(proof_bundle: Path, tmp_path: Path, content: str) -> None:
    """A vocabulary of another length or kind is an invalid bundle."""
    folder = _copy(proof_bundle, tmp_path)
    bundle = Bundle.open(folder)
    (folder / "proof.vocabulary.json").write_text(content)

    with pytest.raises(BundleInvalid, match=r"vocabulary\.json .*export the bundle again"):
        Proofreader.open(bundle)


def test_a_file_outside_the_seal_is_refused(proof_bundle: Path, tmp_path: Path) -> None:
    """A manifest that names a graph which it does not seal is invalid."""
    folder = _copy(proof_bundle, tmp_path)
    fields = json.loads((folder / MANIFEST_NAME).read_bytes())
    del fields["files"]["proofreader.onnx"]
    (folder / MANIFEST_NAME).write_text(json.dumps(fields))

    with pytest.raises(BundleInvalid, match=r"does not seal proofreader\.onnx"):
        Proofreader.open(Bundle.open(folder))


def test_sizes_are_compared_with_the_manifest(proof_bundle: Path, tmp_path: Path) -> None:
    """A graph of other sizes than the manifest promises is found when it is loaded."""
    folder = _copy(proof_bundle, tmp_path)
    fields = json.loads((folder / MANIFEST_NAME).read_bytes())
    fields["proofreader"]["patches"] += 1
    (folder / MANIFEST_NAME).write_text(json.dumps(fields))

    with pytest.raises(BundleInvalid, match=r"proof\.image\.onnx has output"):
        Proofreader.open(Bundle.open(folder)).encode_images(PIXELS)


def _copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / "copy"))
