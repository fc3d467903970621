"""The aliases in Milvus after a change of models: they name what was pushed of the generation that is served."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index.milvus.connection import Connection
from index.milvus.engine import read_record
from index.milvus.names import KINDS, alias_of
from index.milvus.push import name_served, push, take_back
from index.milvus.store import aliased, create_store, point_alias
from index.milvus.target import Target, target_of
from index.reindex.job import ModelChange
from tests.index.reindex.support import NAME, back, change, make_home, opened, run

pytest.importorskip("milvus_lite.server_manager", reason="Milvus is an extra: pip install -e '.[cpu,milvus]'")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: tuple[Path, Path]) -> Path:
    """Eight pictures, embedded by the first bundle and pushed, then by the second one and pushed."""
    home = make_home(tmp_path_factory.mktemp("home"), models, shades=1)
    (home / "milvus").mkdir()
    push(opened(home), target(home))
    run(change(home))
    push(opened(home), target(home))
    return home


def target(home: Path) -> Target:
    """A file of milvus-lite."""
    return target_of(str(home / "milvus" / "vectors.db"))


def named(home: Path) -> list[str | None]:
    """What the aliases name, images first."""
    with Connection.open(target(home)) as connection:
        return [aliased(connection, alias_of(NAME, kind)) for kind in KINDS]


def pushed(home: Path) -> list[str | None]:
    """Stores of what is served."""
    record = read_record(opened(home).path)
    assert record is not None
    return [record.pushed.store(kind) for kind in KINDS]


def there_and_back(home: Path) -> ModelChange:
    """The other model of the two takes over; the job."""
    return run(back(home))


@contextmanager
def away(folder: Path) -> Generator[None]:
    """The folder cannot be found."""
    hidden = folder.rename(folder.with_name("away"))
    yield
    hidden.rename(folder)


def test_they_go_back_and_forth(home: Path) -> None:
    """Each time another generation is served again, others find what was pushed of it under the same names."""
    assert pushed(home) == named(home)
    names = {opened(home).info.bundle_name: named(home)}

    for _ in range(2):
        job = there_and_back(home)
        assert pushed(home) == named(home)
        assert "" == job.aliases
        assert names.setdefault(opened(home).info.bundle_name, named(home)) == named(home)

    assert {"old", "new"} == names.keys()
    assert names["old"] != names["new"]


def test_where_milvus_is_away_the_model_is_served_all_the_same(home: Path) -> None:
    """The job does not fail for the sake of aliases: it says what to run, and that points them."""
    before, model = named(home), opened(home).info.bundle_name

    with away(home / "milvus"):
        job = there_and_back(home)
    assert model != opened(home).info.bundle_name
    assert f"run `vilem index push {NAME}`" in job.aliases
    assert before == named(home) != pushed(home)

    push(opened(home), target(home))

    assert pushed(home) == named(home)


def test_names_that_are_somebody_elses_are_left_alone(home: Path) -> None:
    """An alias that another installation took stays its own; the job says whose it is."""
    with Connection.open(target(home)) as connection:
        create_store(connection, "theirs", 4, "FLAT")
        point_alias(connection, alias_of(NAME, "images"), "theirs")

    job = there_and_back(home)

    assert "theirs, which this collection did not push" in job.aliases
    assert "theirs" == named(home)[0]
    with Connection.open(target(home)) as connection:
        point_alias(connection, alias_of(NAME, "images"), str(pushed(home)[0]))
    name_served(opened(home))
    assert pushed(home) == named(home)


def test_a_generation_that_faiss_answers_for_leaves_them(home: Path) -> None:
    """Where nothing was pushed, or it was taken back, no Milvus is asked."""
    take_back(opened(home))
    before = named(home)

    with away(home / "milvus"):
        name_served(opened(home))

    assert before == named(home)
