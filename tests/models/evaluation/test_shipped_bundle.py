"""The bundle that ships with the code, as a user gets it: sealed, small, and good enough."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle, find_bundle
from models.evaluation.layouts import scenes
from models.evaluation.measure import measure
from models.evaluation.report import Report
from models.manifest import read_manifest, verify_bundle
from models.matching import MATCHING_NAME, read_matching
from models.proofreader import Proofreader
from models.scenes.corpus import example
from models.tensorrt import FOLDER as ENGINES

NAME = "scenes-s"
LIMIT = 16 * 2**20

# not the seed of its training corpus: scenes that neither training nor the published figures have seen
SEED = 77
SCENES = 200


def _path() -> Path:
    return find_bundle(NAME, home=Path("nowhere"))


@cache
def _measured(variant: str) -> Report:
    return measure(Bundle.open(_path(), variant=variant), scenes.load(SCENES, SEED), variant=variant)


def test_the_bundle_is_small() -> None:
    """All files of the shipped bundle together have at most 16 MiB."""
    assert sum(path.stat().st_size for path in _path().rglob("*") if path.is_file()) <= LIMIT


def test_the_bundle_tells_nothing_of_its_maker() -> None:
    """Its graphs hold no file names of the machine that exported them."""
    assert [] == [path.name for path in _path().glob("*.onnx") if b".py" in path.read_bytes()]


def test_the_bundle_is_sealed() -> None:
    """Every file is what its manifest says, and there is no file that the manifest does not say but the calibration beside it."""
    manifest = read_manifest(_path())

    verify_bundle(_path(), manifest)

    found = {path.relative_to(_path()).as_posix() for path in _path().rglob("*") if path.is_file()}
    # what a machine with TensorRT built for its card is no part of it
    built = {name for name in found if name.startswith(f"{ENGINES}/")}
    assert {*manifest.files, "bundle.json", MATCHING_NAME} == found - built


def test_its_probabilities_are_its_own() -> None:
    """The calibration beside it was fitted on its vectors, and is off by less than a hundredth."""
    matching = read_matching(_path(), read_manifest(_path()).digest())

    assert matching is not None
    assert matching.error < 0.01


def test_the_manifest_holds_the_published_figures() -> None:
    """The figures in the manifest meet the bars: R@1 of 60 % and R@5 of 90 % on 1,000 held-out scenes."""
    metrics = read_manifest(_path()).provenance.metrics

    assert 1000 == metrics["images"]
    assert metrics["t2i_r1"] >= 0.60
    assert metrics["t2i_r5"] >= 0.90


def test_its_proofreader_meets_the_bars() -> None:
    """Wrong words are found with the right picture and not with another, and restored: as the manifest was told in training."""
    metrics = read_manifest(_path()).provenance.metrics

    assert metrics["words_auroc"] >= 0.95
    assert metrics["words_auroc_shuffled"] <= 0.65
    assert metrics["words_corrected"] >= 0.80


def test_it_tells_what_belongs_to_what() -> None:
    """On scenes that nothing has seen it contradicts captions with exchanged colours or things more than the true ones."""
    reader = Proofreader.open(Bundle.open(_path()))
    examples = [example("test", number, SEED, 96) for number in range(20)]
    images = reader.encode_images(np.stack([each.image for each in examples]))

    preferred: list[bool] = []
    for each, image in zip(examples, images, strict=True):
        swapped = [edit for edit in each.negatives if edit.kind.endswith("swapped")]
        texts = [text for edit in swapped for text in (each.captions[edit.caption], edit.text)]
        scores = [proof.score for proof in reader.check_texts(texts, image, words=False)]
        preferred += [right > wrong for right, wrong in zip(scores[::2], scores[1::2], strict=True)]

    assert len(preferred) > 60
    assert np.mean(preferred) >= 0.85


@pytest.mark.parametrize("variant", sorted(read_manifest(_path()).variants))
def test_every_variant_finds_scenes_it_has_never_seen(variant: str) -> None:
    """On new held-out scenes each precision finds the right one first for at least three captions in four."""
    assert _measured(variant).figures["t2i_r1"] >= 0.75


def test_new_combinations_are_found_too() -> None:
    """Scenes with a colour on a shape that training never showed are found, if less often than others."""
    groups = _measured("fp32").groups

    assert groups["held-back"].text_to_image[1] >= 0.5


def test_no_caption_is_cut() -> None:
    """The context holds the longest caption that a scene has."""
    assert 0 == _measured("fp32").truncated
