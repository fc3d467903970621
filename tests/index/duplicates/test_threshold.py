"""Measuring which cosine makes duplicates."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index.duplicates.threshold import ALTERATIONS, altered, measure_threshold
from index.errors import NothingToMeasure
from index.searcher import Searcher
from models.bundle import BUILT_IN, Bundle
from tests.index.duplicates.made import photograph, pictured, scenes, searcher, turned
from tests.support.images import encoded


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The model that ships with the code: it knows scenes."""
    return Bundle.open(BUILT_IN / "scenes-s")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Searcher:
    """Thirty scenes, ten of them with altered copies."""
    files: dict[str, bytes] = {}
    for number, image in enumerate(scenes(30, 128)):
        files[f"{number:02d}.png"] = encoded(image)
        copies = altered(image) if number < 10 else ()
        files |= {f"{number:02d}-{at}.jpg": data for at, (_, data) in enumerate(copies)}
    return pictured(tmp_path_factory.mktemp("scenes"), bundle, files)


def test_copies_are_over_it_and_strangers_are_not(made: Searcher, bundle: Bundle) -> None:
    """Though a third of the pictures have copies among the others, most copies are over the threshold and no stranger is."""
    measured = measure_threshold(made, bundle, pictures=12)

    assert measured.recall(measured.threshold) >= 0.8
    assert measured.false(measured.threshold) <= 0.01
    assert 0.6 < measured.threshold < 0.99
    assert ALTERATIONS.keys() == measured.copies.keys()
    assert {12} == {len(each) for each in measured.copies.values()}


def test_the_shares_are_shares(made: Searcher, bundle: Bundle) -> None:
    """Both fall with the threshold, from all to none."""
    measured = measure_threshold(made, bundle, pictures=4, strangers=20)

    for share in (measured.recall, measured.false):
        values = [share(threshold) for threshold in (-1, 0.5, 0.8, 0.95, 1.01)]
        assert values == sorted(values, reverse=True)
        assert (1, 0) == (values[0], values[-1])


def test_the_same_sample_gives_the_same_threshold(made: Searcher, bundle: Bundle) -> None:
    """A measurement can be made again."""
    one, other = (measure_threshold(made, bundle, pictures=3, strangers=10, seed=1) for _ in range(2))

    assert one.threshold == other.threshold


def test_without_pictures_nothing_is_measured(tmp_path: Path, bundle: Bundle) -> None:
    """Where no file can be read the message says to name a threshold."""
    with pytest.raises(NothingToMeasure, match="--threshold"):
        measure_threshold(searcher(tmp_path, np.pad(turned([0, 90]), ((0, 0), (0, bundle.manifest.dim - 4)))), bundle)


@pytest.mark.parametrize("size", [(160, 120), (1, 1), (3, 200)])
def test_any_picture_can_be_altered(size: tuple[int, int]) -> None:
    """Each kind of copy is a picture of the size that it says, even of a picture of one pixel."""
    made = dict(altered(photograph(0, size)))

    assert ALTERATIONS.keys() == made.keys()
    half = Image.open(io.BytesIO(made["half the size"])).size
    assert (max(1, size[0] // 2), max(1, size[1] // 2)) == half
