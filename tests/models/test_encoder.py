"""Two towers: unit vectors, cut batches, threads."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.encoder import DualEncoder
from models.errors import BundleInvalid
from models.manifest import read_manifest
from models.ort import Runtime
from models.text import TokenBatch
from tests.support.tiny_bundle import CONTEXT, make_tiny_bundle

WORDS = st.lists(st.sampled_from(["red", "a", "dog", "left", "xylophone", "of", "!"]), max_size=CONTEXT).map(" ".join)


@pytest.fixture(scope="module")
def bidirectional(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose text tower sees its padding."""
    return Bundle.open(make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "wide", causal=False))


@pytest.fixture(scope="module")
def causal(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, causal."""
    return Bundle.open(tiny_bundle)


class _Recorder:
    """A session that notes the shapes it is given."""

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.encoder._text
        self.shapes: list[tuple[int, ...]] = []

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """As the session it stands for."""
        self.shapes.append(feeds["ids"].shape)
        return list(self._session.run(outputs, feeds))


def _pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 32, 32, 3), dtype=np.uint8)


def _full_length(tokens: TokenBatch) -> TokenBatch:
    """The same batch, with every column declared real, so that nothing is cut."""
    return dataclasses.replace(tokens, lengths=np.full_like(tokens.lengths, tokens.ids.shape[1]))


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(WORDS, min_size=1, max_size=6))
def test_cutting_a_causal_batch_changes_nothing(causal: Bundle, texts: list[str]) -> None:
    """The embedding from the columns up to the longest text equals the one from all columns within 1e-5."""
    tokens = causal.tokenizer.encode(texts)

    cut, full = (causal.encoder.encode_texts(batch) for batch in (tokens, _full_length(tokens)))

    assert np.abs(cut - full).max() < 1e-5


def test_causal_batches_are_cut(causal: Bundle) -> None:
    """The graph sees as many columns as the longest text has ids."""
    recorder = _Recorder(causal)
    encoder = DualEncoder(recorder, recorder, dim=16, causal=True)

    encoder.encode_texts(causal.tokenizer.encode(["red", "a red dog", ""]))

    assert [(3, 5)] == recorder.shapes


def test_other_towers_see_their_padding(bidirectional: Bundle) -> None:
    """A tower that is not causal always gets the whole context, and would answer otherwise without it."""
    recorder = _Recorder(bidirectional)
    encoder = DualEncoder(recorder, recorder, dim=16, causal=False)
    tokens = bidirectional.tokenizer.encode(["red", "a red dog"])

    padded = encoder.encode_texts(tokens)

    assert [(2, CONTEXT)] == recorder.shapes
    shorter = dataclasses.replace(tokens, ids=tokens.ids[:, :5])
    assert np.abs(padded - encoder.encode_texts(shorter)).max() > 1e-3


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(WORDS, min_size=2, max_size=6))
def test_a_text_does_not_depend_on_its_batch(causal: Bundle, bidirectional: Bundle, texts: list[str]) -> None:
    """Alone or beside longer texts, a text has the same vector within 1e-5."""
    for bundle in (causal, bidirectional):
        together = bundle.embed_texts(texts).vectors
        alone = np.concatenate([bundle.embed_texts([text]).vectors for text in texts])

        assert np.abs(together - alone).max() < 1e-5


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64])
def test_shapes_types_and_norms(causal: Bundle, count: int) -> None:
    """N inputs of either kind give (N, d) float32 unit vectors, none give (0, d)."""
    for vectors in (causal.embed_images(_pixels(count)), causal.embed_texts(["a dog"] * count).vectors):
        assert (count, causal.encoder.dim) == vectors.shape
        assert np.float32 == vectors.dtype
        assert np.allclose(1, np.linalg.norm(vectors, axis=1), atol=1e-6)


def test_an_image_does_not_depend_on_its_batch_or_layout(causal: Bundle) -> None:
    """Batching changes no image's vector, and neither does an array that is not contiguous."""
    pixels = _pixels(9)
    together = causal.embed_images(pixels)

    assert np.allclose(together, np.concatenate([causal.embed_images(each[None]) for each in pixels]), atol=1e-6)
    assert np.array_equal(together[::2], causal.embed_images(pixels[::2]))


def test_half_precision_answers_in_single(tmp_path: Path) -> None:
    """A float16 graph's vectors come out as float32 of unit norm, close to those of fp32."""
    folder = make_tiny_bundle(tmp_path / "half", precision="fp16")
    half, single = (Bundle.open(folder, variant=name) for name in ("fp16", "fp32"))
    for one, other in (
        (half.embed_images(_pixels(5)), single.embed_images(_pixels(5))),
        (half.embed_texts(["red", ""]).vectors, single.embed_texts(["red", ""]).vectors),
    ):
        assert np.float32 == one.dtype
        assert np.allclose(1, np.linalg.norm(one, axis=1), atol=1e-6)
        assert 0 < np.abs(one - other).max() < 2e-3


def test_threads_share_an_encoder(causal: Bundle) -> None:
    """Sixteen threads on one encoder get, text by text and image by image, what one thread gets."""
    texts = [["red dog"] * (1 + number % 5) + ["cat " * (number % 9)] for number in range(48)]
    images = [_pixels(1 + number % 3, number) for number in range(48)]

    with ThreadPoolExecutor(16) as pool:
        found_texts = pool.map(lambda batch: causal.embed_texts(batch).vectors, texts)
        found_images = pool.map(causal.embed_images, images)
        for batch, vectors in zip(texts, found_texts, strict=True):
            assert np.allclose(causal.embed_texts(batch).vectors, vectors, atol=1e-6)
        for pixels, vectors in zip(images, found_images, strict=True):
            assert np.allclose(causal.embed_images(pixels), vectors, atol=1e-6)


def test_swapped_graphs_are_refused(tiny_bundle: Path) -> None:
    """A text tower in the image tower's place is found at opening, not at the first query."""
    manifest = read_manifest(tiny_bundle)
    text = tiny_bundle / manifest.variants["fp32"].text

    with pytest.raises(BundleInvalid, match="wanted 'pixels'"):
        DualEncoder.open(text, text, manifest, Runtime())


@pytest.mark.parametrize("change", [{"dim": 17}, {"preprocess": {"size": 64, "mean": (0, 0, 0), "std": (1, 1, 1)}}])
def test_graphs_must_match_the_manifest(tiny_bundle: Path, change: dict[str, object]) -> None:
    """A manifest with another dimension or input size than its graphs is found at opening."""
    fields = read_manifest(tiny_bundle).model_dump() | change
    manifest = type(read_manifest(tiny_bundle)).model_validate(fields)
    variant = manifest.variants["fp32"]

    with pytest.raises(BundleInvalid, match="export the bundle again"):
        DualEncoder.open(tiny_bundle / variant.image, tiny_bundle / variant.text, manifest, Runtime())
