"""`vilem proofread`: words with marks."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.errors import BundleMissing, ImageUnreadable, ProofreaderMissing
from models.proof import Proof, WordProof
from tests.support.collections import make_painted
from vilem.cli.main import app
from vilem.cli.proofread import marked

WIDE = {"COLUMNS": "200", "TERM": "dumb"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, proof_bundle: Path, tiny_bundle: Path) -> Path:
    """A home with a bundle that proofreads, one that does not, and painted pictures."""
    folder = tmp_path_factory.mktemp("home")
    make_painted(folder, proof_bundle, repeats=1)
    (folder / "bundles" / "tiny").symlink_to(tiny_bundle)
    return folder


def run(home: Path, *arguments: str, bundle: str | Path) -> Result:
    """One command."""
    options = ["--bundle", str(bundle), "--home", str(home)]
    return CliRunner().invoke(app, ["proofread", *arguments, *options], env=WIDE)


def test_words_are_marked_for_each_picture(home: Path, proof_bundle: Path) -> None:
    """Under each picture's name the sentence stands with ✗ before what it contradicts, → before what should be there."""
    pictures = [str(home / "painted" / f"{colour}-0.png") for colour in ("green", "blue")]

    result = run(home, "A red picture", *pictures, bundle=proof_bundle)

    assert 0 == result.exit_code, result.output
    lines = result.output.splitlines()
    assert [path in line for path, line in zip(pictures, lines[::2], strict=True)] == [True, True]
    assert "1 of 3 words contradicted" in lines[0]
    assert ["a ✗red→green picture", "a ✗red→blue picture"] == [line.strip() for line in lines[1::2]]


def test_programs_get_json(home: Path, proof_bundle: Path) -> None:
    """With --json each line is one picture's proof: text, words with their places and supports, corrections, score, threshold."""
    path = str(home / "painted" / "green-0.png")

    proof = json.loads(run(home, "a red picture", path, "--json", bundle=proof_bundle).output)

    assert (path, "a red picture") == (proof["image"], proof["text"])
    assert [(0, 1), (2, 5), (6, 13)] == [(word["start"], word["end"]) for word in proof["words"]]
    assert "green" == proof["words"][1]["corrections"][0][0]
    assert proof["score"] < 0
    assert [1 - word["support"] > proof["threshold"] for word in proof["words"]] == [
        word["contradicted"] for word in proof["words"]
    ]


def test_what_cannot_proofread_is_named(home: Path) -> None:
    """A bundle that is unknown, or has no proofreader, is named."""
    picture = str(home / "painted" / "red-0.png")

    cases = [
        (run(home, "red", picture, bundle="nobody"), BundleMissing, "nobody"),
        (run(home, "red", picture, bundle="tiny"), ProofreaderMissing, "tiny"),
    ]
    for result, error, said in cases:
        assert result.exit_code != 0
        assert isinstance(result.exception, error)
        assert said in str(result.exception)
    assert "the text is empty" in run(home, " ", picture, bundle="tiny").output


def test_a_picture_that_is_none_is_named(home: Path, proof_bundle: Path) -> None:
    """A path that cannot be read ends the command with an error that has it."""
    result = run(home, "red", str(home / "none.png"), bundle=proof_bundle)

    assert isinstance(result.exception, ImageUnreadable)
    assert "none.png" in str(result.exception)


def test_marks_leave_the_rest_of_the_text() -> None:
    """Signs between words stay; words that were not read are not marked; a contradicted word, whatever its support, is
    crossed, and one without corrections only crossed."""
    words = (
        WordProof("two", 0, 3, 0.6, (), contradicted=True),
        WordProof("dogs", 5, 9, 0.4),
        WordProof("[red]", 11, 16, 0.2, (("blue", 0.7), ("green", 0.2)), contradicted=True),
        WordProof("end", 17, 20, None),
    )

    assert "✗two, dogs; ✗[red]→blue end." == marked(Proof("two, dogs; [red] end.", words, -3.0, 3)).plain
