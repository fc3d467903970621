"""A change of models under kill -9: what is served is the old model's or the new one's, whole, and the same command goes on."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.generations import FIRST, history, made
from index.reindex.garbage import collect
from index.searcher import Searcher
from models.bundle import Bundle
from models.sealed import STAGING_PREFIX
from tests.index.reindex.support import NAME, back, change, expect_embedded_by, make_home, make_models, opened, run
from tests.index.support import REPOSITORY

ITEMS = 8

# Changes the model, goes back, or removes what is older, and dies by SIGKILL at the n-th thing it does to the collection's files: what Python
# does is told by an audit hook, what Lance writes by its calls. For each line of its input it forks, so that libraries
# are loaded once; it answers with the status of the child and the number of touches.
CHILD = """
import os, signal, sys
from pathlib import Path
import lance
from index import publish, searcher
from index.reindex.garbage import collect
from tests.index.reindex.support import NAME, back, change, run

def work(home, what, number):
    watched, count = str(home / "collections" / NAME), 0
    log = (home / "touches").open("w")

    def touch(event):
        nonlocal count
        count += 1
        print(event, file=log, flush=True)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            written = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            does = isinstance(path, str) and path.startswith(watched) and written
        else:
            does = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
            does = does and (str(arguments[0]).startswith(watched) or (event == "os.remove" and arguments[1] != -1))
        if does:
            touch(event)

    def counted(plain):
        def write(*arguments, **options):
            touch("before lance")
            written = plain(*arguments, **options)
            touch("after lance")
            return written

        return write

    lance.write_dataset = counted(lance.write_dataset)
    lance.LanceDataset.commit = staticmethod(counted(lance.LanceDataset.commit))
    sys.addaudithook(watch)
    if what == "gc":
        collect(home / "collections" / NAME, keep=1)
    else:
        run(change(home) if what == "change" else back(home))

for line in sys.stdin:
    home, what, number = line.split()
    child = os.fork()
    if not child:
        try:
            work(Path(home), what, int(number))
        finally:
            os._exit(sys.exc_info()[0] is not None)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Killer:
    """The child process."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )

    def run(self, home: Path, what: str, number: int) -> list[str]:
        """What a job did up to its *number*-th touch of the collection, where it died; 0 = it lives."""
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(f"{home} {what} {number}\n")
        self._child.stdin.flush()
        assert (-signal.SIGKILL if number else 0) == int(self._child.stdout.readline())
        return (home / "touches").read_text().splitlines()

    def close(self) -> None:
        """End it."""
        assert self._child.stdin
        self._child.stdin.close()
        self._child.wait(timeout=60)


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    """One for all tests."""
    made_one = Killer()
    yield made_one
    made_one.close()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with eight pictures, embedded by "old"."""
    home = tmp_path_factory.mktemp("origin")
    return make_home(home, make_models(home / "models"), shades=1)


@pytest.fixture(scope="module")
def changed(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, served by "new"."""
    home = copied(origin, tmp_path_factory.mktemp("changed"))
    run(change(home))
    return home


def copied(origin: Path, home: Path) -> Path:
    """A home with a collection of its own; pictures and bundles stay where they are."""
    home.mkdir(exist_ok=True)
    shutil.copytree(origin / "collections", home / "collections")
    (home / "bundles").symlink_to((origin / "bundles").resolve())
    return home


def expect_whole(home: Path) -> str:
    """Open what is served, as a service would, checksums and all: every item is there, by one model; its name."""
    searcher = Searcher.open(home / "collections", NAME)
    model = opened(home).info.bundle_name
    bundle = Bundle.open(home / "bundles" / model)
    assert bundle.digest == searcher.text_model.bundle_digest
    expect_embedded_by(home, model)
    hits = searcher.search(bundle.embed_texts(["red", "blue"]).vectors, [ITEMS, 1], "images")
    assert ITEMS == searcher.count == len({hit.id for hit in hits[0]})
    assert ["red-0", "blue-0"] == [each[0].id for each in hits]
    return model


def expect_tidy(home: Path) -> None:
    """Nothing is left of what was killed."""
    collection = opened(home).home
    assert 1 == len(made(collection))
    assert 2 == len(history(collection))
    left = [path for path in collection.rglob(f"{STAGING_PREFIX}*") if "snapshots" not in path.parts]
    assert [] == left


@pytest.fixture(scope="module")
def touches(killer: Killer, origin: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Everything that a change does to the files when it lives."""
    home = copied(origin, tmp_path_factory.mktemp("whole"))
    done = killer.run(home, "change", 0)
    assert "new" == expect_whole(home)
    return done


def test_the_moments_are_known(touches: list[str]) -> None:
    """A change writes datasets, renames a snapshot into place, and at last the file that names the generation."""
    assert touches.count("before lance") >= 5
    assert "os.rename" == touches[-1]


# the last moment but so many: 0 is the renaming of the file that swaps; and others in tenths of the whole
@pytest.mark.parametrize("moment", [0, 1, 2, 3, 5, "1", "3", "5", "7", "9"])
def test_a_killed_change_leaves_the_old_model(
    killer: Killer, origin: Path, touches: list[str], tmp_path: Path, moment: int | str
) -> None:
    """Killed before the swap: the old model serves every item; the same command goes on, and leaves nothing behind."""
    home = copied(origin, tmp_path)
    number = len(touches) - moment if isinstance(moment, int) else max(1, len(touches) * int(moment) // 10)

    killer.run(home, "change", number)

    assert "old" == expect_whole(home)
    run(change(home))
    assert "new" == expect_whole(home)
    expect_tidy(home)


def test_a_killed_way_back(killer: Killer, changed: Path, tmp_path: Path) -> None:
    """Going back, killed at each of its last touches of a file, leaves the new model serving, and can be done again."""
    whole = copied(changed, tmp_path / "whole")
    done = killer.run(whole, "back", 0)
    assert "old" == expect_whole(whole)

    for number in range(max(1, len(done) - 2), len(done) + 1):
        home = copied(changed, tmp_path / str(number))
        killer.run(home, "back", number)
        assert "new" == expect_whole(home)
        run(back(home))
        assert "old" == expect_whole(home)
        assert FIRST == opened(home).generation
        expect_tidy(home)


def test_a_killed_removal(killer: Killer, changed: Path, tmp_path: Path) -> None:
    """Removing the older generation, killed anywhere, leaves the served one whole; the next removal takes the rest."""
    done = killer.run(copied(changed, tmp_path / "whole"), "gc", 0)
    assert len(done) > 20

    for number in (1, 2, 3, 4, len(done) // 2, len(done)):
        home = copied(changed, tmp_path / str(number))
        killer.run(home, "gc", number)
        assert "new" == expect_whole(home)
        run_again = collect(home / "collections" / NAME, keep=1)
        assert run_again in ([FIRST], [])
        assert "new" == expect_whole(home)
        left = {path.name for path in (home / "collections" / NAME).iterdir()}
        assert left <= {"collection.json", "generation", "generations", "generations.lease", "lease", "turn"}


def test_killed_over_and_over(killer: Killer, origin: Path, touches: list[str], tmp_path: Path) -> None:
    """Kill after kill the change comes to its end when it is let: what one run did the next one need not do."""
    home = copied(origin, tmp_path)
    for number in (len(touches) // 3, len(touches) // 4, len(touches) // 3, len(touches) // 5):
        killer.run(home, "change", number)
        assert "old" == expect_whole(home)

    killer.run(home, "change", 0)

    assert "new" == expect_whole(home)
    expect_tidy(home)
