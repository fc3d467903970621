"""The three graphs as they are loaded and fed."""

from pathlib import Path

import numpy as np
import onnxruntime
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


def test_a_warm_one_has_loaded_and_run_all_three(
    proof_bundle: Path, spec: Proofreading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What warms up loads every graph and runs it, once; whoever comes next opens nothing."""
    ran: list[str] = []
    run = onnxruntime.InferenceSession.run

    def counted(session: onnxruntime.InferenceSession, outputs: list[str], feeds: dict[str, np.ndarray]) -> object:
        ran.append(session.get_outputs()[0].name)
        return run(session, outputs, feeds)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", counted)
    fresh = ProofGraphs(proof_bundle, read_manifest(proof_bundle), spec, Runtime(threads=1))

    fresh.warm()

    assert {"_image", "_text", "_reading"} <= set(vars(fresh))
    assert ["embedding", "tokens", "wrong"] == sorted(ran)


def test_tokens_are_those_of_the_text_alone(proof_bundle: Path, graphs: ProofGraphs, spec: Proofreading) -> None:
    """What follows a text in its row does not matter to a causal tower, and is not computed."""
    ids = Bundle.open(proof_bundle).tokenizer.encode(["a red picture"]).ids
    other = ids.copy()
    other[0, 5:] = 3

    found = graphs.tokens(ids, 5)

    assert (1, 5, spec.features) == found.shape
    assert np.array_equal(found, graphs.tokens(other, 5))
    assert np.abs(found - graphs.tokens(ids, ids.shape[1])[:, :5]).max() < 1e-4


def test_every_pair_has_its_logits(graphs: ProofGraphs, spec: Proofreading) -> None:
    """Each word of each image gets one, each place as many as the vocabulary has words, no place none."""
    words = np.random.default_rng(0).normal(size=(3, spec.features)).astype(np.float32)
    images = make_images(graphs, 2)

    wrong, answers = graphs.read([words] * 2, images, np.array([[0, 2], [1, 0], [1, 1]]))
    again, nothing = graphs.read([words] * 2, images, np.zeros((0, 2)))

    assert (2, 3) == wrong.shape
    assert (3, spec.words) == answers.shape
    assert (0, spec.words) == nothing.shape
    assert np.abs(wrong - again).max() < 1e-4


def test_longer_company_changes_no_text(graphs: ProofGraphs, spec: Proofreading) -> None:
    """A text that is padded, because it is read with a longer one, has the logits and answers that it has alone."""
    rng = np.random.default_rng(0)
    long, short = (rng.normal(size=(count, spec.features)).astype(np.float32) for count in (7, 2))
    images = make_images(graphs, 2)

    wrong, answers = graphs.read([long, short], images, np.array([[1, 0], [1, 1]]))
    alone, expected = graphs.read([short], images[1:], np.array([[0, 0], [0, 1]]))

    assert (2, 7) == wrong.shape
    assert np.abs(wrong[1, :2] - alone[0]).max() < 1e-4
    assert np.abs(answers - expected).max() < 1e-4


def test_images_of_other_sizes_are_refused(graphs: ProofGraphs, spec: Proofreading) -> None:
    """The sizes that the bundle reads and those that were given are both told."""
    other = StoredImage.of(np.ones((1, 3), np.float32), np.ones(4, np.float32))

    with pytest.raises(StoredImageInvalid, match=rf"\(1, 3, 4\).*reads \({spec.patches}, {spec.channels}, 16\)"):
        graphs.read([np.ones((1, spec.features), np.float32)], [other], np.zeros((0, 2)))


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
        graphs.read([np.ones((1, promised.features), np.float32)], [image], np.zeros((0, 2)))
