"""JSON files that bear a hash of themselves."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import CollectionInvalid, CollectionTooNew
from index.sealed_json import SealedJson


class Note(SealedJson):
    """A file of two fields."""

    schema_version: int = 2
    text: str
    figure: float = 0.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "note.json"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8")), figure=st.floats(allow_nan=False))
def test_what_is_written_is_read(file: Path, text: str, figure: float) -> None:
    """Any text and any number come back, infinity too."""
    note = Note(text=text, figure=figure).write(file)

    assert note == Note.read(file, "")
    assert (text, figure) == (note.text, note.figure)


def test_where_nothing_is_nothing_is_read(file: Path) -> None:
    """A file that is not there says nothing, and is not made by reading it."""
    assert Note.read(file, "") is None
    assert not file.exists()


@pytest.mark.parametrize("change", [{"text": "b"}, {"figure": 2.0}, {"seal": "0"}, {"more": 1}, {"schema_version": 1}])
def test_a_change_of_any_field_is_found(file: Path, change: dict[str, object]) -> None:
    """A field of another value, a seal of another file, and what does not belong there are refused, with what to do."""
    Note(text="a").write(file)
    file.write_text(json.dumps(json.loads(file.read_bytes()) | change))

    with pytest.raises(CollectionInvalid, match=r"note\.json is damaged: write another"):
        Note.read(file, "write another")


def test_a_part_of_a_file_is_found(file: Path) -> None:
    """Cut anywhere, it is refused; of the space after its end nothing depends."""
    Note(text="a").write(file)
    data = file.read_bytes().rstrip()

    for size in range(0, len(data), 7):
        file.write_bytes(data[:size])
        with pytest.raises(CollectionInvalid):
            Note.read(file, "")


def test_a_newer_file_is_not_called_damaged(file: Path) -> None:
    """What a newer program wrote asks for that program."""
    Note(text="a", schema_version=3).write(file)

    with pytest.raises(CollectionTooNew, match="schema 3, this ViLEM reads up to 2: upgrade"):
        Note.read(file, "")
