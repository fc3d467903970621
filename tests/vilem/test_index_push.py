"""`vilem index push` on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from index.collection import Collection
from index.errors import LeaseHeld, MilvusDenied, MilvusError, MilvusMismatch, MilvusUnreachable, SnapshotMissing
from index.lease import lease
from index.milvus import push as pushing
from index.milvus.engine import open_engine, read_record
from index.milvus.store import INDEXES
from index.publish import publish
from tests.index.published import entries, filled, unit_vectors
from vilem.cli.main import app

VECTORS = unit_vectors(20)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a collection."""
    filled(tmp_path / "collections", VECTORS[:12])
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    """One push."""
    command = ["index", "push", "test", *arguments, "--home", str(home)]
    return CliRunner().invoke(app, command, env={"COLUMNS": "250", "TERM": "dumb"})


def opened(home: Path) -> Collection:
    """The collection as it is now."""
    return Collection.open(home / "collections", "test")


def test_a_collection_goes_to_milvus_and_back(home: Path) -> None:
    """Pushed it is served from there, pushed again brought up to date, and taken back it is FAISS's, with nothing left."""
    file = home / "vectors.db"
    first = run(home, "--to", str(file))
    assert 0 == first.exit_code, first.output
    assert "12 of version" in first.output
    assert f"milvus://{file}" in first.output
    opened(home).add(entries(VECTORS[15:16], first=15))

    # where it was pushed last
    second = run(home)
    assert 0 == second.exit_code, second.output
    assert "13 of version" in second.output
    with open_engine(opened(home)) or pytest.fail("nothing was opened") as engine:
        assert [[12]] == engine.images.search(VECTORS[15:16], 1)[1].tolist()

    third = run(home, "--anew", "--index", "IVF_SQ8")
    assert "IVF_SQ8" in third.output
    assert "FLAT" in run(home, "--back").output

    assert isinstance(run(home, "--to", "faiss").exception, SnapshotMissing)
    publish(opened(home))
    last = run(home, "--to", "faiss", "--drop")
    assert "is answered by its FAISS snapshot" in last.output
    assert read_record(opened(home).path) is None
    assert open_engine(opened(home)) is None


def told(home: Path, command: str) -> list[str]:
    """What `vilem index COMMAND` prints, line by line without frames."""
    done = CliRunner().invoke(
        app, ["index", command, "test", "--home", str(home)], env={"COLUMNS": "250", "TERM": "dumb"}
    )
    return [" ".join(line.replace("│", " ").split()) for line in done.output.splitlines()]


@pytest.mark.parametrize("command", ["explain", "show"])
def test_who_answers_is_told(home: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """First of all the engine, where it is and which versions it holds; FAISS where nothing was pushed, or taken back."""
    monkeypatch.setenv("VILEM_MILVUS_TOKEN", "root:secret")
    publish(opened(home))
    faiss = told(home, command)
    assert "engine faiss" in faiss
    assert not any("milvus" in line for line in faiss)

    file = home / "vectors.db"
    run(home, "--to", str(file))
    pushed = read_record(opened(home).path)
    assert pushed is not None
    opened(home).add(entries(VECTORS[15:16], first=15))

    shown = told(home, command)
    first = shown.index(f"engine milvus: milvus://{file}")
    versions = pushed.pushed.items_version, pushed.pushed.captions_version
    assert (
        f"pushed version {versions[0]} of the items, {versions[1]} of the captions, {pushed.pushed.pushed_at}"
        == (shown[first + 1])
    )
    assert not any(line.startswith(("snapshot", "published", "items")) for line in shown[:first])
    assert any("of the snapshot moments alone are searched" in line for line in shown[first:])
    assert not any("secret" in line for line in shown)

    run(home, "--to", "faiss")
    assert "engine faiss" in told(home, command)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "faiss", "--anew"], "--anew would do nothing"),
        (["--to", "faiss", "--index", "FLAT"], "--index would do nothing"),
        (["--to", "a.db", "--drop"], "--drop would do nothing"),
        (["--back", "--to", "a.db", "--take-over"], "--take-over, --to would do nothing"),
        (["--to", "a.db", "--index", "flat"], f"--index is one of {', '.join(INDEXES)}"),
    ],
)
def test_options_that_do_nothing_are_refused(home: Path, arguments: list[str], said: str) -> None:
    """Whoever gives an option believes that it does something."""
    result = run(home, *arguments)

    assert 2 == result.exit_code
    assert said in result.output
    assert read_record(opened(home).path) is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], MilvusError),
        (["--back"], MilvusMismatch),
        (["--to", "milvus://127.0.0.1:1"], MilvusUnreachable),
        (["--to", "nowhere"], MilvusError),
        (["--to", "milvus://root:pw@host"], MilvusError),
    ],
)
def test_what_cannot_be_is_told(home: Path, arguments: list[str], error: type[Exception]) -> None:
    """Nothing was pushed, nobody answers, no address: one error, and the collection stays as it was."""
    result = run(home, *arguments)

    assert isinstance(result.exception, error)
    assert read_record(opened(home).path) is None


def test_one_push_at_a_time(home: Path) -> None:
    """A second push is told that there is one."""
    with lease(home / "collections" / "test", "pushing to Milvus", file_name="push.lease"):
        assert isinstance(run(home, "--to", str(home / "a.db")).exception, LeaseHeld)


def test_the_token_comes_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is handed to whoever connects, and neither shown nor written."""
    seen: list[str] = []

    def refuse(*_: object, token: str, **__: object) -> None:
        seen.append(token)
        raise MilvusDenied("no")

    monkeypatch.setenv("VILEM_MILVUS_TOKEN", "root:hunter2")
    monkeypatch.setattr(pushing, "push", refuse)

    result = run(home, "--to", "milvus://host")

    assert ["root:hunter2"] == seen
    assert "hunter2" not in result.output
    assert not [path for path in home.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
