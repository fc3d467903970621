"""index.sources.table: JSONL, CSV, TSV and Parquet."""

import csv
import io
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import SourceError
from index.sources import open_source, read_uri
from index.sources.item import SourceItem, Unusable
from index.sources.table import TableSource
from tests.index.support import picture, write_table
from tests.index.test_schema import JSON

ROWS = [
    {"path": "a.jpg", "id": "first", "caption": "a dog", "price": 3, "tags": ["x"]},
    {"path": "sub/b.jpg", "id": "second", "captions": ["a cat", "two cats"], "price": None},
]


def _items(source: TableSource) -> list[SourceItem]:
    items = list(source)
    assert all(isinstance(item, SourceItem) for item in items), items
    return [item for item in items if isinstance(item, SourceItem)]


def test_a_row_is_an_item(tmp_path: Path) -> None:
    """Path, id, captions and metadata of JSONL rows; relative paths start at the table."""
    source = TableSource(str(write_table(tmp_path / "t.jsonl", ROWS)))
    first, second = _items(source)
    assert SourceItem("first", (tmp_path / "a.jpg").as_uri(), ("a dog",), {"price": 3, "tags": ["x"]}) == first
    assert SourceItem("second", (tmp_path / "sub/b.jpg").as_uri(), ("a cat", "two cats"), {"price": None}) == second
    assert 2 == source.count()


def test_parquet_is_like_jsonl(tmp_path: Path) -> None:
    """The same rows in Parquet are the same items; what has no value is null."""
    columns = {name: [row.get(name) for row in ROWS] for name in (ROWS[0] | ROWS[1])}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=1)
    source = TableSource(str(tmp_path / "t.parquet"))
    expected = _items(TableSource(str(write_table(tmp_path / "t.jsonl", ROWS))))
    assert [(item.id, item.uri, item.captions) for item in expected] == [
        (item.id, item.uri, item.captions) for item in _items(source)
    ]
    assert [3, None] == [item.metadata["price"] for item in _items(source)]
    assert 2 == source.count()


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(("suffix", "head", "row"), [("csv", ["path"], "a.jpg"), ("jsonl", [], '{"path": "a.jpg"}')])
def test_a_last_line_counts_without_its_end(
    tmp_path: Path, suffix: str, head: list[str], row: str, end: str, rows: int
) -> None:
    """As many rows are counted as come, whether or not the last line is ended."""
    lines = [*head, *rows * [row]]
    (tmp_path / f"t.{suffix}").write_text("\n".join(lines) + (end if lines else ""))
    source = TableSource(str(tmp_path / f"t.{suffix}"))

    assert rows == source.count() == len(_items(source))


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_csv_values_are_strings(tmp_path: Path, suffix: str, delimiter: str) -> None:
    """CSV has no types: values stay as written, and empty cells are left out."""
    lines = [["path", "caption", "price", "note"], ["a.jpg", "a dog, sitting", "3", ""], ["b.jpg", "", "4.50", "x\ny"]]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(lines)
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(b"\xef\xbb\xbf" + file.getvalue().encode())
    first, second = _items(TableSource(str(path)))
    assert (("a dog, sitting",), {"price": "3"}) == (first.captions, first.metadata)
    assert ((), {"price": "4.50", "note": "x\ny"}) == (second.captions, second.metadata)


def test_the_path_is_the_id_where_none_is_given(tmp_path: Path) -> None:
    """Without an id column, or with an empty one, an item is called what its path is; numbers are ids too."""
    table = write_table(
        tmp_path / "t.jsonl", [{"path": "a.jpg"}, {"path": "b.jpg", "id": None}, {"path": "c", "id": 7}]
    )
    assert ["a.jpg", "b.jpg", "7"] == [item.id for item in _items(TableSource(str(table)))]


@pytest.mark.parametrize("name", ["path", "image", "file", "file_name", "filename"])
def test_the_usual_names_of_a_path_column_are_known(tmp_path: Path, name: str) -> None:
    """What data sets call the path is found, and is not metadata."""
    table = write_table(tmp_path / "t.jsonl", [{name: "a.jpg", "x": 1}])
    (item,) = _items(TableSource(str(table)))
    assert ((tmp_path / "a.jpg").as_uri(), {"x": 1}) == (item.uri, item.metadata)


def test_the_first_path_column_counts(tmp_path: Path) -> None:
    """Where there are two, the other one is metadata."""
    table = write_table(tmp_path / "t.jsonl", [{"image": "b.jpg", "path": "a.jpg"}])
    (item,) = _items(TableSource(str(table)))
    assert ((tmp_path / "a.jpg").as_uri(), {"image": "b.jpg"}) == (item.uri, item.metadata)


def test_paths_start_at_the_root_or_stand_alone(tmp_path: Path) -> None:
    """Relative paths follow the root, absolute ones and URLs ignore it."""
    table = write_table(
        tmp_path / "t.jsonl", [{"path": "./x/../a.jpg"}, {"path": "/b/c.jpg"}, {"path": "s3://bucket/d.jpg"}]
    )
    items = _items(TableSource(str(table), root=str(tmp_path / "images")))
    assert [(tmp_path / "images/a.jpg").as_uri(), "file:///b/c.jpg", "s3://bucket/d.jpg"] == [
        item.uri for item in items
    ]


def test_bad_rows_do_not_stop_the_good_ones(tmp_path: Path) -> None:
    """What is no JSON, no object, or names no image is reported with its line; the rest goes on."""
    path = tmp_path / "t.jsonl"
    lines = [
        '{"path": "a.jpg"}',
        "{",
        "[1]",
        '{"caption": "no image"}',
        '{"path": 3}',
        '{"path": "b", "captions": [1]}',
    ]
    path.write_text("\n".join([*lines, "", '{"path": "c.jpg"}', "[" * 100_000]))
    found = list(TableSource(str(path)))
    good = [item.id for item in found if isinstance(item, SourceItem)]
    bad = [(item.id, item.reason) for item in found if isinstance(item, Unusable)]
    assert ["a.jpg", "c.jpg"] == good
    assert [(f"t.jsonl:{number}", "bad-row") for number in (2, 3, 4, 5, 6, 9)] == bad


def test_rows_of_csv_with_too_many_cells_are_reported(tmp_path: Path) -> None:
    """A comma that was not quoted shifts nothing in silence."""
    (tmp_path / "t.csv").write_text("path,price\na.jpg,3\nb.jpg,4,5\n")
    first, second = TableSource(str(tmp_path / "t.csv"))
    assert isinstance(first, SourceItem)
    assert isinstance(second, Unusable) and "2 columns" in second.detail


def test_every_column_of_captions_counts(tmp_path: Path) -> None:
    """Several captions may stand in columns of one name, and blanks beside commas are no part of names and values."""
    (tmp_path / "t.csv").write_text(
        'path, caption,caption ,captions, price\na.png, one,"two, and a half",three, 2\nb.png,,,,\n'
    )

    first, second = _items(TableSource(str(tmp_path / "t.csv")))

    assert (("one", "two, and a half", "three"), {"price": "2"}) == (first.captions, first.metadata)
    assert ((), {}) == (second.captions, second.metadata)


def test_a_column_that_comes_twice_is_told(tmp_path: Path) -> None:
    """Of two columns of one name one would be lost without a word: the table is refused, the line of JSON reported."""
    (tmp_path / "t.csv").write_text("path,price,price\na.png,1,2\n")
    twice = pa.table([["a.png"], ["one"], ["two"]], names=["path", "caption", "caption"])
    pq.write_table(twice, tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text('{"path": "a.png", "caption": "x", "caption": "y"}\n{"path": "b.png"}\n')

    for name, column in (("t.csv", "price"), ("t.parquet", "caption")):
        with pytest.raises(SourceError, match=f"more than one column '{column}'"):
            list(TableSource(str(tmp_path / name)))
    first, second = TableSource(str(tmp_path / "t.jsonl"))
    assert isinstance(first, Unusable)
    assert "'caption' comes more than once" in first.detail
    assert isinstance(second, SourceItem)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("field", ['"a red', '"14 inch', '"hello" he said'])
def test_a_quote_that_nothing_closes_takes_no_rows(tmp_path: Path, suffix: str, field: str) -> None:
    """A field that begins with a quote which nothing closes would hold the rows behind it: the table breaks off, and says where."""
    mark = {"csv": ",", "tsv": "\t"}[suffix]
    rows = [mark.join(row) for row in (("path", "caption"), ("a.png", "one"), ("b.png", field), ("c.png", 'the "end'))]
    (tmp_path / f"t.{suffix}").write_text("\n".join([*rows, ""]))
    read = iter(TableSource(str(tmp_path / f"t.{suffix}")))

    assert ("one",) == next(_items_of(read)).captions
    with pytest.raises(SourceError, match=r"line [34]: .*quotes in it is enclosed in quotes"):
        list(read)


def _items_of(read: Iterator[SourceItem | Unusable]) -> Iterator[SourceItem]:
    return (item for item in read if isinstance(item, SourceItem))


def test_columns_that_json_cannot_hold_are_reported(tmp_path: Path) -> None:
    """A Parquet file with pictures inside is refused row by row, by the reason."""
    pq.write_table(pa.table({"path": ["a"], "thumb": [b"\x00"]}), tmp_path / "t.parquet")
    (item,) = TableSource(str(tmp_path / "t.parquet"))
    assert isinstance(item, Unusable) and "bytes has no form in JSON" in item.detail


@pytest.mark.parametrize(("name", "data"), [("t.parquet", b"PAR1 no"), ("t.csv", b"path\n\xff\xfe.jpg\n")])
def test_a_file_that_is_no_table_breaks_off(tmp_path: Path, name: str, data: bytes) -> None:
    """A damaged table is one clear error that names it."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=name):
        list(TableSource(str(tmp_path / name)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            st.lists(st.text(st.characters(exclude_categories=["Cs"])).map(str.strip).filter(bool), unique=True),
            st.dictionaries(st.text().filter(lambda name: name not in ("id", "path", "caption", "captions")), JSON),
        ),
        max_size=4,
    )
)
def test_any_row_of_jsonl_comes_through(
    tmp_path: Path, rows: Sequence[tuple[str, list[str], Mapping[str, object]]]
) -> None:
    """Ids, captions and metadata of any Unicode text arrive as they were written."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"path": "a", "id": i, "captions": c, **m}) + "\n" for i, c, m in rows))
    found = _items(TableSource(str(path)))
    assert [(i, tuple(c)) for i, c, _ in rows] == [(item.id, item.captions) for item in found]
    assert [dict(m) for _, _, m in rows] == [item.metadata for item in found]


def test_a_remote_table_names_remote_images() -> None:
    """A table in an object store leads to the images beside it, which can be read."""
    folder = f"/{uuid.uuid4().hex}"
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file(f"{folder}/x/a.png", picture(7))
    filesystem.pipe_file(f"{folder}/t.jsonl", b'{"path": "x/a.png", "caption": "seven"}\n')
    source = open_source(f"memory:/{folder}/t.jsonl")
    (item,) = source
    assert isinstance(item, SourceItem)
    assert picture(7) == read_uri(item.uri)
    assert None is source.count()


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(st.characters(codec=None)) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "id", "captions", "x"]), inner)
        ),
        max_leaves=8,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_is_an_item_or_unusable(tmp_path: Path, row: object) -> None:
    """Whatever JSON stands on a line, the line after it is read."""
    deep = '{"path": "a", "id": ' + "[" * 900 + "]" * 900 + "}"
    lines = [
        json.dumps(row),
        deep,
        json.dumps({"path": "\ud800.png"}),
        json.dumps({"path": "a\0b"}),
        '{"path": "last"}',
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))

    found = list(TableSource(str(tmp_path / "t.jsonl")))

    assert 5 == len(found)
    assert isinstance(found[-1], SourceItem) and "last" == found[-1].id


def test_metadata_nested_very_deep_do_not_end_the_table(tmp_path: Path) -> None:
    """A row whose JSON is deeper than the interpreter follows is unusable, or refused later; the next one is an item."""
    deep = '{"path": "a", "x": ' + "[" * 900 + "]" * 900 + "}"
    (tmp_path / "t.jsonl").write_text(f'{deep}\n{{"path": "b"}}\n')

    found = list(TableSource(str(tmp_path / "t.jsonl")))

    assert 2 == len(found)
    assert isinstance(found[1], SourceItem)


def test_a_value_that_python_cannot_hold_is_a_fault_of_its_row(tmp_path: Path) -> None:
    """A date of the year 275760 in a Parquet file costs its row, not the table."""
    days = pa.array([1, 10**8, 2], pa.date32())
    pq.write_table(pa.table({"path": ["a", "b", "c"], "on": days}), tmp_path / "t.parquet")

    first, second, third = TableSource(str(tmp_path / "t.parquet"))

    assert isinstance(first, SourceItem) and {"on": "1970-01-02"} == first.metadata
    assert isinstance(second, Unusable) and ("t.parquet:2", "bad-row") == (second.id, second.reason)
    assert isinstance(third, SourceItem)


def test_rows_of_videos(tmp_path: Path) -> None:
    """A column `video` names one whatever its suffix; any other path tells by its name; a picture's row keeps the word."""
    rows = [{"video": "https://host/watch"}, {"path": "a.mkv"}, {"path": "a.png", "video": "yes"}, {"image": "b"}]
    items = _items(TableSource(str(write_table(tmp_path / "t.jsonl", rows))))

    assert [True, True, False, False] == [item.is_video for item in items]
    assert {"video": "yes"} == items[2].metadata
