"""`vilem index fields`: typed fields on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from index.collection import Collection
from index.errors import FieldInvalid, FieldUnknown
from index.fields.types import fields_of
from index.filters.grammar import parse_filter
from index.filters.rows import matching_rows
from index.lexical.search import search_texts
from tests.index.filters.support import write
from tests.index.support import empty_collection, write_pictures, write_table
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app

WIDE = {"COLUMNS": "250", "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a collection `test` that has no fields yet."""
    (tmp_path / "collections").mkdir()
    collection = empty_collection(tmp_path / "collections")
    write(collection, {0: {"price": 1, "brand": "x", "mixed": 1}, 1: {"price": 2.5, "mixed": "y"}, 2: {"price": "?"}})
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(app, ["index", *arguments, "--home", str(home)], env=WIDE)


def cells(result: Result) -> list[list[str]]:
    """The cells of the table's rows."""
    lines = [line for line in result.output.splitlines() if line.startswith(("│", "|"))]
    return [[cell.strip() for cell in line.strip("│|").replace("|", "│").split("│")] for line in lines]


def test_fields_come_and_go(home: Path) -> None:
    """What is added is listed with its values, and dropped again; what does not fit is told."""
    result = run(home, "fields", "test", "add", "price:float", "brand:string")
    assert 0 == result.exit_code, result.output
    assert "added price:float, brand:string to 3 items" in result.output
    assert "1 values of price do not fit" in result.output
    listed = cells(run(home, "fields", "test"))
    assert ["price", "float", "2", "no"] in listed and ["width", "int", "3", ""] in listed
    assert "dropped price" in run(home, "fields", "test", "drop", "price").output
    assert ["brand", "string", "1", "no"] in cells(run(home, "fields", "test"))
    assert "price" not in run(home, "fields", "test").output


def test_words_of_a_field_are_made_findable(home: Path) -> None:
    """`words` makes searches find what a field says, and is refused for one that holds no text."""
    run(home, "fields", "test", "add", "brand:string", "price:float")
    assert 0 == run(home, "fields", "test", "words", "brand").exit_code

    collection = Collection.open(home / "collections", "test")
    assert 1 == len(search_texts(collection, "X", 9, columns=["field:brand"]).rows)
    refused = run(home, "fields", "test", "words", "price")
    assert isinstance(refused.exception, FieldUnknown) and "brand" in str(refused.exception)
    assert 2 == run(home, "fields", "test", "words").exit_code


def test_infer_looks_and_changes_nothing(home: Path) -> None:
    """It proposes types, says which keys have none, and gives the command that adds them."""
    before = Collection.open(home / "collections", "test").version
    output = run(home, "fields", "test", "infer").output
    assert ["brand", "string", "1 of 3"] in cells(run(home, "fields", "test", "infer"))
    assert "mixed has no one type (int, string)" in output
    assert "price has no one type (float, int, string)" in output
    assert "vilem index fields test add brand:string" in output
    assert before == Collection.open(home / "collections", "test").version


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["add", "price"], FieldInvalid, "NAME:TYPE"),
        (["drop", "price"], FieldUnknown, "no field 'price'"),
    ],
)
def test_mistakes_are_told(home: Path, arguments: list[str], error: type[Exception], says: str) -> None:
    """One sentence says what to do."""
    result = run(home, "fields", "test", *arguments)
    assert isinstance(result.exception, error)
    assert says in str(result.exception)


@pytest.mark.parametrize("arguments", [["add"], ["drop"], ["infer", "price"], ["rename", "price"]])
def test_half_a_command_is_refused(home: Path, arguments: list[str]) -> None:
    """Nothing is guessed, and nothing that was given is ignored."""
    assert 2 == run(home, "fields", "test", *arguments).exit_code


def test_a_build_makes_fields(tmp_path: Path) -> None:
    """Filters work after a build without a declaration; `--no-fields` leaves them out; more rows fill them."""
    make_tiny_bundle(tmp_path / "bundles" / "tiny")
    names = write_pictures(tmp_path / "source", range(3))
    rows = [{"path": name, "price": number} for number, name in enumerate(names)]
    table = write_table(tmp_path / "source" / "table.jsonl", rows[:2])
    build = ("build", "shop", str(table), "--model", "tiny")

    assert 0 == run(tmp_path, *build, "--no-fields").exit_code
    assert "price" not in run(tmp_path, "fields", "shop").output
    assert "new fields to filter by: price:int" in run(tmp_path, *build).output
    write_table(table, rows)
    assert "new fields" not in run(tmp_path, *build).output

    items = Collection.open(tmp_path / "collections", "shop").items
    asked = parse_filter({"price": {"gte": 1}}, fields_of(items.schema))
    assert 2 == len(matching_rows(items, asked))
