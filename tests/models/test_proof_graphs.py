"""The three graphs as they are loaded and fed."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import BundleInvalid, StoredImageInvalid
from models.manifest import Proofreading, read_manifest
from models.ort import Runtime
from models.proof_graphs import ProofGraphs
from models.proof_image import StoredImage


@pytest.fixture(scope="module")
def spec(proof_bundle: Path) -> Proofreading:
    """What the bundle says of its proofreader."""
    found = read_manifest(proof_bundle).proofreader
    assert found is not None
    return found


@pytest.fixture(scope="module")
def graphs(proof_bundle: Path, spec: Proofreading) -> ProofGraphs:
    """Its graphs."""
    return ProofGraphs(proof_bundle, read_manifest(proof_bundle), spec, Runtime(threads=1))


def make_images(graphs: ProofGraphs, count: int) -> list[StoredImage]:
    """Pictures of noise."""
    return graphs.images(np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8))


def test_each_graph_is_loaded_alone(proof_bundle: Path, spec: Proofreading) -> None:
    """An embedding job loads the image's graph and no other; a second call loads nothing."""
    fresh = ProofGraphs(proof_bundle, read_manifest(proof_bundle), spec, Runtime(threads=1))
    make_images(fresh, 1)

    assert "_image" in vars(fresh)
    assert {"_text", "_reading"}.isdisjoint(vars(fresh))
    loaded = vars(fresh)["_image"]
    make_images(fresh, 1)
    assert loaded is vars(fresh)["_image"]


def test_tokens_are_those_of_the_text_alone(proof_bundle: Path, graphs: ProofGraphs, spec: Proofreading) -> None:
    """What follows a text in its row does not matter to a causal tower, and is not computed."""
    ids = Bundle.open(proof_bundle).tokenizer.encode(["a red picture"]).ids
    other = ids.copy()
    other[0, 5:] = 3

    found = graphs.tokens(ids, 5)

    assert (5, spec.features) == found.shape
    assert np.array_equal(found, graphs.tokens(other, 5))
    assert np.abs(found - graphs.tokens(ids, ids.shape[1])[:5]).max() < 1e-4


def test_every_pair_has_its_logits(graphs: ProofGraphs, spec: Proofreading) -> None:
    """Each word of each image gets one, each place as many as the vocabulary has words, no place none."""
    words = np.random.default_rng(0).normal(size=(3, spec.features)).astype(np.float32)
    images = make_images(graphs, 2)

    wrong, answers = graphs.read(words, images, np.array([[0, 2], [1, 0], [1, 1]]))
    again, nothing = graphs.read(words, images, np.zeros((0, 2)))

    assert (2, 3) == wrong.shape
    assert (3, spec.words) == answers.shape
    assert (0, spec.words) == nothing.shape
    assert np.abs(wrong - again).max() < 1e-4


def test_images_of_other_sizes_are_refused(graphs: ProofGraphs, spec: Proofreading) -> None:
    """The sizes that the bundle reads and those that were given are both told."""
    other = StoredImage.of(np.ones((1, 3), np.float32), np.ones(4, np.float32))

    with pytest.raises(StoredImageInvalid, match=rf"\(1, 3, 4\).*reads \({spec.patches}, {spec.channels}, 16\)"):
        graphs.read(np.ones((1, spec.features), np.float32), [other], np.zeros((0, 2)))


@pytest.mark.parametrize("field", ["words", "features", "channels"])
def test_a_graph_that_breaks_the_manifest_s_promise_is_named(
    proof_bundle: Path, spec: Proofreading, field: str
) -> None:
    """Sizes that differ from the manifest's are found when the graph is loaded, not when it fails."""
    manifest = read_manifest(proof_bundle)
    promised = spec.model_copy(update={field: getattr(spec, field) + 1})
    graphs = ProofGraphs(proof_bundle, manifest, promised, Runtime(threads=1))
    image = StoredImage.of(np.ones((promised.patches, promised.channels), np.float32), np.ones(16, np.float32))

    with pytest.raises(BundleInvalid, match=r"proofreader\.onnx has (input|output)"):
        graphs.read(np.ones((1, promised.features), np.float32), [image], np.zeros((0, 2)))
