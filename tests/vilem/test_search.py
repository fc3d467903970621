"""`vilem search`: hits as a table."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from index.collection import Collection
from index.embed import embed
from index.publish import publish
from index.sources import open_source
from models.bundle import Bundle
from models.scenes.corpus import write_jsonl
from tests.support.collections import make_painted
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app

WIDE = {"COLUMNS": "300", "TERM": "dumb"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published collection of twelve scenes."""
    folder = tmp_path_factory.mktemp("home")
    bundle = Bundle.open(make_tiny_bundle(folder / "bundles" / "tiny"))
    list(write_jsonl(folder / "source", "test", 12, seed=3))
    collection = Collection.create(
        folder / "collections", "scenes", dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name="tiny"
    )
    with embed(collection, open_source(str(folder / "source" / "test.jsonl")), bundle) as job:
        list(job)
    publish(collection)
    return folder


def run(home: Path, *arguments: str) -> str:
    """Output of a search that succeeds."""
    result = CliRunner().invoke(app, ["search", "scenes", *arguments, "--home", str(home)], env=WIDE)
    assert 0 == result.exit_code, result.output
    return result.output


def test_a_sentence_gives_rows(home: Path) -> None:
    """As many hits are shown as were asked for."""
    output = run(home, "a red circle", "--limit", "4")

    assert 4 == output.count("test-3-")


def test_a_picture_finds_itself(home: Path) -> None:
    """A stored picture as a query is its own first hit, with score 1."""
    picture = home / "source" / "test" / "test-3-000005.png"

    output = run(home, str(picture), "--image", "--limit", "1")

    assert "test-3-000005" in output
    assert "1.000" in output or "0.999" in output


def test_captions_can_be_the_target(home: Path) -> None:
    """With --texts the hits are captions."""
    output = run(home, "a red circle on a grey background", "--texts", "--limit", "2")

    assert 2 == output.count("test-3-")


def test_a_long_query_is_told(home: Path) -> None:
    """A query beyond the model's context is read in pieces, and says in how many; what is beyond all of them is cut, and told."""
    said = run(home, "red " * 200)

    assert "in 7 pieces" in said
    assert "cut off" not in said
    assert "cut off" in run(home, "red " * 4000)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["no-such", "x"], "no-such"), (["scenes", "missing.jpg", "--image"], "missing.jpg")],
)
def test_what_is_missing_is_named(home: Path, arguments: list[str], said: str) -> None:
    """An unknown collection or picture ends in an error that names it."""
    result = CliRunner().invoke(app, ["search", *arguments, "--home", str(home)], env=WIDE)

    assert result.exit_code != 0
    assert said in str(result.exception)


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, proof_bundle: Path) -> Path:
    """A home with "painted", pictures that can be proofread, "bare", the same without patches, and "told", with captions."""
    folder = tmp_path_factory.mktemp("painted")
    make_painted(folder, proof_bundle, repeats=2)
    make_painted(folder, proof_bundle, "bare", repeats=2, patches=False)
    make_painted(folder, proof_bundle, "told", repeats=2, captions=True)
    return folder


def reranked(home: Path, *arguments: str) -> list[dict[str, object]]:
    """Hits of a re-ranked search, as programs get them."""
    options = ["--rerank", "proofread", "--json", "--home", str(home)]
    result = CliRunner().invoke(app, ["search", "painted", "a red picture", *arguments, *options], env=WIDE)
    assert 0 == result.exit_code, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_hits_are_reranked(painted: Path) -> None:
    """With --rerank hits come in the order of cosine and proof; the proof's words are told."""
    hits = reranked(painted, "--limit", "8")

    mixed = [hit["mixed"] for hit in hits]
    assert sorted(mixed, reverse=True) == mixed  # pyright: ignore[reportArgumentType]
    assert all(["a", "red", "picture"] == [word["text"] for word in hit["proof"]["words"]] for hit in hits)  # type: ignore[index]


def test_behind_the_candidates_hits_come_by_vector(painted: Path) -> None:
    """A limit beyond --candidates goes on without proofs; nothing twice, nothing missing; a lower one cuts."""
    hits = reranked(painted, "--limit", "8", "--candidates", "3")

    assert 8 == len({hit["id"] for hit in hits})
    assert [True] * 3 + [False] * 5 == ["proof" in hit for hit in hits]
    assert 2 == len(reranked(painted, "--limit", "2", "--candidates", "3"))


def test_captions_of_a_picture_are_reranked(painted: Path) -> None:
    """With --image and --texts captions come in the order of cosine and proof, each with its own words; the right ones first."""
    picture = str(painted / "painted" / "blue-1.png")
    options = ["--image", "--texts", "--rerank", "proofread", "--candidates", "12", "--json", "--home", str(painted)]

    result = CliRunner().invoke(app, ["search", "told", picture, "--limit", "14", *options], env=WIDE)

    assert 0 == result.exit_code, result.output
    hits = [json.loads(line) for line in result.output.splitlines()]
    assert [True] * 12 + [False] * 2 == ["proof" in hit for hit in hits]
    mixed = [hit["mixed"] for hit in hits[:12]]
    assert sorted(mixed, reverse=True) == mixed
    assert all("blue" in hit["caption"] for hit in hits[:4])
    assert all(hit["caption"].split() == [word["text"] for word in hit["proof"]["words"]] for hit in hits[:12])


def test_the_table_shows_the_words(painted: Path) -> None:
    """Persons see the sentence beside each hit, with what the picture contradicts."""
    arguments = ["search", "painted", "a red picture", "--rerank", "proofread", "--home", str(painted)]

    output = CliRunner().invoke(app, arguments, env=WIDE).output

    assert "a ✗red→green picture" in output
    assert "a ✗red→blue picture" in output


def test_what_cannot_be_reranked_is_told(painted: Path) -> None:
    """Pictures and captions as a query or target are refused; a collection without patches says how to get them."""
    asked = ["search", "bare", "red", "--rerank", "proofread", "--home", str(painted)]

    missing = CliRunner().invoke(app, asked)
    senseless = [CliRunner().invoke(app, [*asked, each]) for each in ("--texts", "--image")]

    assert "vilem index build" in str(missing.exception)
    assert [2, 2] == [result.exit_code for result in senseless]


def test_candidates_need_a_rerank(painted: Path) -> None:
    """As the HTTP API says: without a new order there are none, and the option is refused with what it needs."""
    asked = ["search", "painted", "red", "--candidates", "20", "--home", str(painted)]

    refused = CliRunner().invoke(app, asked, env=WIDE)

    assert 2 == refused.exit_code
    assert "--candidates would do nothing: only --rerank" in " ".join(refused.output.split())
