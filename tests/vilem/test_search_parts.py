"""`vilem search` with several parts, and the hits it shows of what it finds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from index.collection import Collection
from models.bundle import Bundle
from models.matching import MATCHING_NAME, Matching, write_matching
from tests.support.collections import make_colours
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app
from vilem.cli.search_parts import embed_text

ALL = 24
WIDE = {"COLUMNS": "300", "TERM": "dumb"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with "colours", which is calibrated: even odds at a cosine of one half; and "unsure", which is not."""
    folder = tmp_path_factory.mktemp("home")
    bundle = make_tiny_bundle(folder / "bundles" / "tiny")
    make_colours(folder, bundle)
    make_colours(folder, bundle, "unsure", shades=1)
    made = Matching(
        bundle_digest=Bundle.open(bundle).digest,
        slope=12,
        intercept=-6,
        source="a test",
        matched=60,
        unmatched=900,
        error=0,
    )
    write_matching(Collection.open(folder / "collections", "colours").path, made)
    return folder


def run(home: Path, *arguments: str, name: str = "colours") -> list[dict[str, object]]:
    """The hits of a search that succeeds."""
    result = CliRunner().invoke(app, ["search", name, *arguments, "--json", "--home", str(home)], env=WIDE)
    assert 0 == result.exit_code, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def ids(home: Path, *arguments: str) -> list[str]:
    """Of the hits, in order."""
    return [str(hit["id"]) for hit in run(home, *arguments)]


def test_parts_add_up(home: Path) -> None:
    """What is added is found with it, what is taken away goes to the end."""
    assert "purple" == ids(home, "red", "--plus", "blue")[0].split("-")[0]
    without = ids(home, "blue", "--minus", "yellow", "--minus", "orange", "--limit", str(ALL))
    assert "blue" == without[0].split("-")[0]
    assert "yellow" in {each.split("-")[0] for each in without[-6:]}


def test_a_change_leads_from_one_to_another(home: Path) -> None:
    """A red picture, and blue in the place of red."""
    found = ids(home, str(home / "pictures" / "red-0.png"), "--image", "--change", "red", "blue")

    assert "blue" == found[0].split("-")[0]


def test_what_was_judged_moves_the_query_and_is_no_hit(home: Path) -> None:
    """More like the one and less like the other, and neither is shown again."""
    plain = ids(home, "red", "--limit", str(ALL))
    found = ids(home, "red", "--like", "green-0", "--unlike", "red-0", "--limit", str(ALL))

    assert ALL - 2 == len(found)
    assert found.index("green-1") < plain.index("green-1")
    assert {"green-0", "red-0"}.isdisjoint(found)


def test_hits_that_are_not_sure_are_left_out(home: Path) -> None:
    """Even odds are at a cosine of one half there: the hits are those above, of pictures and of captions."""
    for arguments in (["red"], [str(next((home / "pictures").glob("*.png"))), "--image", "--texts"]):
        plain = run(home, *arguments, "--limit", "40")
        sure = run(home, *arguments, "--limit", "40", "--min-score", "0.5")
        assert [hit for hit in plain if float(str(hit["score"])) >= 0.5] == sure
        assert 0 < len(sure) < len(plain)
    assert [] == run(home, "red", "--min-score", "1")


def test_each_hit_says_how_sure_it_is(home: Path) -> None:
    """One sentence among pictures and one picture among captions: the calibration's probability of each score, in the table too."""
    picture = str(next((home / "pictures").glob("*.png")))
    for arguments in (["red"], [picture, "--image", "--texts"]):
        for hit in run(home, *arguments):
            assert round(1 / (1 + math.exp(6 - 12 * float(str(hit["score"])))), 4) == hit["probability"]
    best = f"{float(str(run(home, 'red')[0]['probability'])):.0%}"
    table = CliRunner().invoke(app, ["search", "colours", "red", "--home", str(home)], env=WIDE).output
    assert "probability" in table
    assert f" {best} " in table


@pytest.mark.parametrize(
    "arguments", [["red", "--plus", "blue"], ["red", "--texts"], ["red " * 200], ["--image", "--texts"]]
)
def test_what_nothing_is_known_of_has_no_probability(home: Path, arguments: list[str]) -> None:
    """Several parts, captions of a sentence, a text in pieces; and where there is no calibration, or a damaged one, any hit."""
    damaged = Collection.open(home / "collections", "unsure").path / MATCHING_NAME
    if "--image" in arguments:
        damaged.write_text("{}")
        arguments = [str(next((home / "pictures").glob("*.png"))), *arguments]
    found = run(home, *arguments, name="unsure" if "--image" in arguments else "colours")
    damaged.unlink(missing_ok=True)

    assert found
    assert all("probability" not in hit for hit in [*found, *run(home, "red", name="unsure")])


def test_no_two_alike(home: Path) -> None:
    """One is the plain order; less shows three colours where it showed one."""
    plain = ids(home, "a photo of red", "--limit", "3")

    assert plain == ids(home, "a photo of red", "--limit", "3", "--diversify", "1")
    assert 3 == len({each.split("-")[0] for each in ids(home, "a photo of red", "--limit", "3", "--diversify", "0.3")})
    captions = run(home, "a photo of red", "--texts", "--limit", "5", "--diversify", "0.1")
    assert 5 == len({hit["caption"] for hit in captions})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["red", "--like", "nobody"], "no item 'nobody'"),
        (["red", "--change", "blue", "red", "--min-score", "0.5"], "--min-score"),
        (["red", "--change", "blue", "blue"], "alike"),
        (["red", "--minus", "red", "--minus", "red"], "cancel each other"),
        (["red", "--rerank", "proofread", "--plus", "x"], "--plus"),
        (["red", "--rerank", "proofread", "--diversify", "0.5"], "--diversify"),
        (["red", "--moments", "--like", "red-0"], "--like"),
        (["red", "--texts", "--min-score", "0.5"], "--min-score"),
        (["red " * 200, "--min-score", "0.5"], "--min-score"),
        (["red", "--min-score", "2"], "min-score"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(home: Path, arguments: list[str], said: str) -> None:
    """Each ends in one message, which names the option."""
    result = CliRunner().invoke(app, ["search", "colours", *arguments, "--home", str(home)], env=WIDE)

    assert 2 == result.exit_code
    assert said in result.output


def test_a_collection_that_is_not_calibrated_says_how_to(home: Path) -> None:
    """The message has the command."""
    result = CliRunner().invoke(app, ["search", "unsure", "red", "--min-score", "0.5", "--home", str(home)], env=WIDE)

    assert 2 == result.exit_code
    assert "vilem model calibrate --collection unsure" in result.output


def test_a_long_text_is_read_as_the_service_reads_it(home: Path) -> None:
    """A short one at once; a long one as the mean of its pieces, weighed by their tokens."""
    bundle = Bundle.open(home / "bundles" / "tiny")
    short, long = embed_text(bundle, "red"), embed_text(bundle, "red " * 40 + ". Blue.")

    assert np.array_equal(bundle.embed_texts(["red"]).vectors[0], short.vector)
    assert (None, 3, False) == (short.sentences, long.sentences, long.truncated)
    assert 1 == pytest.approx(float(np.linalg.norm(long.vector)), abs=1e-5)
    assert short.vector @ long.vector > bundle.embed_texts(["blue"]).vectors[0] @ long.vector
