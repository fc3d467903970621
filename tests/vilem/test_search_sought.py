"""`vilem search` among some items alone, and by words beside the vector."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from index.collection import Collection
from index.fields.change import add_fields
from index.fields.types import parse_declaration
from index.lexical.upkeep import index_texts
from index.question import Question, Words
from index.searcher import Searcher
from models.bundle import Bundle
from tests.support.collections import make_colours, make_painted
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app
from vilem.cli.search_sought import read_filter

ALL = "24"
WIDE = {"COLUMNS": "300", "TERM": "dumb"}
SHADES = '{"shade": {"gte": 1}, "colour": ["red", "blue"]}'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with "colours": 24 pictures, 48 captions, two fields, of which none is searched by words yet."""
    folder = tmp_path_factory.mktemp("home")
    bundle = make_tiny_bundle(folder / "bundles" / "tiny")
    make_colours(folder, bundle)
    fields = [parse_declaration("colour:string"), parse_declaration("shade:int")]
    add_fields(Collection.open(folder / "collections", "colours"), fields)
    return folder


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory, proof_bundle: Path) -> Path:
    """A home with "painted", pictures that can be proofread."""
    folder = tmp_path_factory.mktemp("painted")
    make_painted(folder, proof_bundle, repeats=2)
    return folder


def run(home: Path, *arguments: str, name: str = "colours") -> list[dict[str, object]]:
    """The hits of a search that succeeds."""
    result = CliRunner().invoke(app, ["search", name, *arguments, "--json", "--home", str(home)], env=WIDE)
    assert 0 == result.exit_code, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def ids(home: Path, *arguments: str, name: str = "colours") -> list[str]:
    """Of the hits, in order."""
    return [str(hit["id"]) for hit in run(home, *arguments, name=name)]


def test_only_matching_items_are_found(home: Path) -> None:
    """A filter bounds what is found, to the last item, by a sentence and by a picture; the order is that without."""
    for query in (["red"], [str(home / "pictures" / "green-0.png"), "--image"]):
        everything = ids(home, *query, "--limit", ALL)
        some = ids(home, *query, "--limit", ALL, "--filter", SHADES)

        assert [each for each in everything if each in {"red-1", "red-2", "blue-1", "blue-2"}] == some
    assert [] == ids(home, "red", "--filter", '{"colour": "plaid"}')


def test_a_filter_goes_with_the_rest(home: Path) -> None:
    """Captions are filtered by their items; items that are liked are no hits, and differing ones are chosen among those left."""
    captions = run(home, "red", "--texts", "--limit", ALL, "--filter", '{"colour": "red"}')

    assert {"red-0", "red-1", "red-2"} == {hit["id"] for hit in captions}
    assert 6 == len(captions)
    assert ["red-2"] == ids(home, "red", "--like", "red-1", "--filter", '{"shade": {"gt": 0}, "colour": "red"}')
    assert 4 == len(ids(home, "red", "--diversify", "0.3", "--filter", SHADES))


def test_candidates_of_a_rerank_are_filtered(painted: Path) -> None:
    """Those that are read and those behind them: none that does not match."""
    wanted = {"green-0.png", "green-1.png", "blue-0.png"}

    found = ids(
        painted, "a red picture", "--rerank", "proofread", "--candidates", "2", "--filter",
        json.dumps({"id": sorted(wanted)}), name="painted",
    )  # fmt: skip

    assert wanted == {*found}
    assert 3 == len(found)


def test_a_filter_may_stand_in_a_file(home: Path, tmp_path: Path) -> None:
    """`@` and the path: the same as its text, whatever editor saved it."""
    (tmp_path / "shades.json").write_text(f"\ufeff{SHADES}\n", encoding="utf-8")

    assert ids(home, "red", "--filter", SHADES) == ids(home, "red", "--filter", f"@{tmp_path / 'shades.json'}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 'red'", "line 1 column 1"),
        ('{"colour": "red", }', "line 1 column "),
        ("{'colour': 'red'}", "double quotes"),
        ("", "line 1 column 1"),
        ('{"not":' * 20_000 + "1" + "}" * 20_000, "nested"),
        ("@nowhere.json", "nowhere.json cannot be read: No such file"),
    ],
)
def test_what_is_no_json_is_told(text: str, said: str) -> None:
    """With the place where it ends to be JSON, and how to write it on a command line."""
    with pytest.raises(typer.BadParameter) as error:
        read_filter(text)

    assert said in str(error.value)
    assert "--filter" in str(error.value)
    assert """'{"price": {"lt": 20}}'""" in str(error.value) or text.startswith("@")


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    """Not UTF-8, or broken in its second line."""
    path = tmp_path / "broken.json"
    for data, said in ((b'{"a":\n"b"', "line 2"), (b"\xff\xfe\x00", "UTF-8")):
        path.write_bytes(data)
        with pytest.raises(typer.BadParameter, match=said) as error:
            read_filter(f"@{path}")
        assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ('{"price": 5}', "filter.price: there is no field 'price'"),
        ('{"shade": {"lt": "x"}}', "filter.shade.lt: this takes a number"),
        ('{"shade": NaN}', "filter.shade: this takes a number"),
        ("null", "filter: a filter is an object like"),
    ],
)
def test_a_faulty_filter_is_told_with_its_place(home: Path, where: str, said: str) -> None:
    """As the HTTP API tells it."""
    result = CliRunner().invoke(app, ["search", "colours", "red", "--filter", where, "--home", str(home)], env=WIDE)

    assert 0 != result.exit_code
    assert said in str(result.exception)


def test_words_count_beside_the_vector(home: Path) -> None:
    """With the API's defaults: the hits, their order and their scores are those of the same question."""
    searcher = Searcher.open(home / "collections", "colours")
    vector = Bundle.open(home / "bundles" / "tiny").embed_texts(["a photo of red"]).vectors[0]
    question = Question(vector, words=Words("a photo of red"))
    expected = searcher.hits(searcher.ranked(question, 400).top(10), question)

    found = run(home, "a photo of red", "--hybrid")

    assert [(hit.id, hit.score) for hit in expected] == [(hit["id"], hit["score"]) for hit in found]
    assert found[0]["score"] == max(float(str(hit["score"])) for hit in found) <= 1
    assert found != run(home, "a photo of red")


def test_words_are_found_among_some(home: Path) -> None:
    """A filter bounds both rankings; what is liked is no hit; captions have words of their own."""
    some = ids(home, "red", "--hybrid", "--limit", ALL, "--filter", SHADES, "--like", "red-1")
    captions = run(home, "a photo of blue", "--hybrid", "--texts", "--limit", "3", "--filter", '{"shade": 1}')

    assert "red-2" == some[0]
    assert {"red-2", "blue-1", "blue-2"} == {*some}
    assert "a photo of blue" == captions[0]["caption"]
    assert all(str(hit["id"]).endswith("-1") for hit in captions)


def test_words_are_looked_for_in_fields(home: Path) -> None:
    """Of fields of text; one that is none, and one that was not made ready, says what to do."""
    collection = Collection.open(home / "collections", "colours")

    def fault(field: str) -> str:
        asked = ["search", "colours", "red", "--hybrid", "--words-in", field, "--home", str(home)]
        return str(CliRunner().invoke(app, asked, env=WIDE).exception)

    assert "shade:int holds no text to search by words: those that do are captions" in fault("shade")
    assert "vilem index fields colours words colour" in fault("colour")
    index_texts(collection, columns=[parse_declaration("colour:string").column])
    found = run(home, "red", "--hybrid", "--words-in", "colour", "--words-in", "captions", "--limit", "3")
    assert {"red-0", "red-1", "red-2"} == {hit["id"] for hit in found}


def test_fused_scores_are_no_probabilities(home: Path) -> None:
    """The table of a search by words has no such column, whatever is known of cosines."""
    asked = ["search", "colours", "red", "--hybrid", "--home", str(home)]

    assert "probability" not in CliRunner().invoke(app, asked, env=WIDE).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["red", "--words-in", "captions"], "--words-in would do nothing: only --hybrid"),
        (["red.png", "--image", "--hybrid"], "a picture brings none"),
        (["red", "--moments", "--hybrid"], "--moments"),
        (["red", "--rerank", "proofread", "--hybrid"], "--rerank"),
        (["red", "--min-score", "0.5", "--hybrid"], "no probabilities"),
        (["red", "--texts", "--hybrid", "--words-in", "colour"], "by their own words"),
        (["red", "--filter", "{"], "--filter is not JSON"),
    ],
)
def test_what_does_not_go_together_is_refused(home: Path, arguments: list[str], said: str) -> None:
    """Each ends in one message, which names the option."""
    result = CliRunner().invoke(app, ["search", "colours", *arguments, "--home", str(home)], env=WIDE)

    assert 2 == result.exit_code
    assert said in " ".join(result.output.split())
