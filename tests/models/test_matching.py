"""The file that says what cosines mean."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import MatchingInvalid
from models.matching import MATCHING_NAME, Matching, read_matching, write_matching

DIGEST = "a" * 64


def matching(slope: float = 20.0, intercept: float = -5.0) -> Matching:
    """A calibration."""
    return Matching(
        bundle_digest=DIGEST, slope=slope, intercept=intercept, source="photos", matched=60, unmatched=900, error=0.02
    )


slopes, intercepts, cosines = st.floats(0.01, 1e6), st.floats(-1e6, 1e6), st.floats(-1.01, 1.01)


@given(slope=slopes, intercept=intercepts, first=cosines, second=cosines)
def test_a_probability_is_one_and_grows_with_the_cosine(
    slope: float, intercept: float, first: float, second: float
) -> None:
    """Between 0 and 1, never lower for a higher cosine, without overflow."""
    made = matching(slope, intercept)
    low, high = sorted((first, second))

    assert 0 <= made.probability(low) <= made.probability(high) <= 1


@given(slope=st.floats(0.01, 100), intercept=st.floats(-50, 50), cosine=cosines)
def test_a_probability_is_the_logistic_functions(slope: float, intercept: float, cosine: float) -> None:
    """log(p / (1 - p)) is slope x cosine + intercept."""
    chance = matching(slope, intercept).probability(cosine)

    if 1e-9 < chance < 1 - 1e-9:
        assert slope * cosine + intercept == pytest.approx(math.log(chance / (1 - chance)), abs=1e-5)


@given(slope=st.floats(0.01, 100), intercept=st.floats(-50, 50), chance=st.floats(0.001, 0.999))
def test_a_cosine_is_found_for_each_probability(slope: float, intercept: float, chance: float) -> None:
    """At that cosine the probability is what was asked for; none is high enough to be sure, and any is for nothing."""
    made = matching(slope, intercept)

    assert chance == pytest.approx(made.probability(made.cosine(chance)), abs=1e-6)
    assert (-math.inf, math.inf) == (made.cosine(0), made.cosine(1))


@given(slope=slopes, intercept=intercepts)
@settings(max_examples=10)
def test_what_is_written_is_read_back(slope: float, intercept: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    """To the last bit; a second one takes the place of the first."""
    folder = tmp_path_factory.getbasetemp() / "matching"
    write_matching(folder, matching())
    write_matching(folder, made := matching(slope, intercept))

    assert made == read_matching(folder, DIGEST)
    assert [MATCHING_NAME] == [path.name for path in folder.iterdir()]


def test_none_and_another_bundles_count_as_none(tmp_path: Path) -> None:
    """No file, and the file of another model, say nothing."""
    assert read_matching(tmp_path, DIGEST) is None
    write_matching(tmp_path, matching())

    assert read_matching(tmp_path, "b" * 64) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "damaged"),
        (b"[]", "damaged"),
        (matching().model_dump_json()[:-9].encode(), "damaged"),
        (json.dumps({**matching().model_dump(), "slope": -1}).encode(), "damaged"),
        (json.dumps({**matching().model_dump(), "slope": "nan"}).encode(), "damaged"),
        (json.dumps({**matching().model_dump(), "more": 1}).encode(), "damaged"),
        (json.dumps({"schema_version": 2, "curve": []}).encode(), "upgrade"),
    ],
)
def test_what_is_damaged_or_newer_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    """The error names the file and what to do."""
    (tmp_path / MATCHING_NAME).write_bytes(data)

    with pytest.raises(MatchingInvalid, match=said) as caught:
        read_matching(tmp_path, DIGEST)

    assert str(tmp_path / MATCHING_NAME) in str(caught.value)
