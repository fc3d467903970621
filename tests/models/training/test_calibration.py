"""The calibration of a module that knows four colours, on pictures it has not seen."""

import copy
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.manifest import Calibration
from models.proofreader import Proofreader
from models.training.calibration import calibrate, kept_threshold
from models.training.data import SceneArrays
from models.training.objective import Objective
from tests.support.proof_bundle import scenes, trained


@pytest.fixture(scope="module")
def held_out() -> SceneArrays:
    """Eight other pictures of each colour."""
    return scenes(8, seed=500)


@pytest.fixture(scope="module")
def fitted(held_out: SceneArrays) -> Calibration:
    """Fitted once."""
    known = trained()
    return calibrate(known.objective, held_out, known.edits)


def test_a_good_detector_is_believed(fitted: Calibration) -> None:
    """The slope is positive, the error small, and as many words were judged as there are colours in the captions."""
    assert fitted.slope > 0
    assert 0 <= fitted.ece_after < 0.15
    assert 0 <= fitted.ece_before <= 1
    # 32 pictures, two captions each with one colour
    assert 64 == fitted.words


def test_a_word_is_called_wrong_at_one_half_at_the_latest(fitted: Calibration) -> None:
    """The threshold lies above the share of wrong words, and no word that is likelier wrong than right is left uncalled."""
    assert 0 < fitted.threshold <= 0.5


def test_a_kept_proofreader_finds_its_threshold_again(held_out: SceneArrays, proof_bundle: Path) -> None:
    """By the same words, read as they are served, it is one by which wrong words are called wrong and right ones are not."""
    known = trained()
    reader = Proofreader.open(Bundle.open(proof_bundle))

    found = kept_threshold(reader, held_out, known.edits)

    assert 0 < found <= 0.5
    assert found == kept_threshold(reader, held_out, known.edits)
    (image,) = reader.encode_images(held_out.pixels(np.array([0])))
    (proof,) = reader.check("a red picture", [image])
    (other,) = reader.check("a blue picture", [image])
    assert all(1 - (word.support or 0) <= found for word in proof.words)
    assert [False, True, False] == [1 - (word.support or 0) > found for word in other.words]


def test_reranking_does_not_lose(fitted: Calibration) -> None:
    """On the data of the fit the weight is the best there is, so R@1 does not fall."""
    assert 0 <= fitted.r1_before <= fitted.r1_after <= 1


def test_reranking_finds_what_the_towers_miss(held_out: SceneArrays) -> None:
    """Among one picture of each colour, a text tower whose vectors say nothing is put right by the module."""
    known = trained()
    one_each = SceneArrays(held_out.images[::8], [each[:1] for each in held_out.captions[::8]], np.zeros(4, bool))
    blind = copy.deepcopy(known.objective)
    blind.towers.text_projection.data.zero_()

    found = calibrate(blind, one_each, known.edits)

    assert 0 == found.r1_before
    assert 1 == found.r1_after
    assert found.alpha > 0


def test_equal_seeds_fit_the_same(held_out: SceneArrays, fitted: Calibration) -> None:
    """The edits come from the seed, and nothing else is drawn."""
    known = trained()

    assert fitted == calibrate(known.objective, held_out, known.edits)
    assert fitted != calibrate(known.objective, held_out, known.edits, seed=1)


def test_towers_without_a_module_cannot_be_calibrated(held_out: SceneArrays) -> None:
    """Plain towers have no detector, and it is said."""
    known = trained()

    with pytest.raises(ValueError, match="without proofreading"):
        calibrate(Objective(known.objective.towers), held_out, known.edits)
