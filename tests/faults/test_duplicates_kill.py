"""Finding duplicates under kill -9: the groups that are kept are the old ones or the new ones, and the next run goes on."""

import signal
from pathlib import Path

import lance
import pytest

from index.duplicates.find import Options, find_duplicates
from index.duplicates.groups import FOLDER, GROUPS_FILE, load_groups, save_groups
from index.duplicates.hashes import HASHES
from index.searcher import Searcher
from models.bundle import Bundle
from tests.index.duplicates.made import photograph, pictured
from tests.support.forked import run_code
from tests.support.images import encoded

# Finds and keeps, and dies by SIGKILL at the n-th moment: of what it tells of its progress, and of what Python does to files
# under `duplicates/`. Prints each moment.
CHILD = """
import os, signal, sys
from pathlib import Path
from index.duplicates import hashes
from index.duplicates.find import Options, find_duplicates
from index.duplicates.groups import save_groups
from index.searcher import Searcher

root, number = Path(sys.argv[1]), int(sys.argv[2])
watched = str(root / "test" / "duplicates")
count = 0

def moment(name):
    global count
    count += 1
    print(name.replace(" ", "-"), flush=True)
    if count == number:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if isinstance(path, str) and path.startswith(watched) and writes:
            moment(event)
    elif event in ("os.rename", "os.mkdir", "os.remove") and str(arguments[0]).startswith(watched):
        moment(event)

searcher = Searcher.open(root, "test")
hashes._CHUNK = 4
sys.addaudithook(watch)
options = Options(0.9, bits=4)
found = find_duplicates(searcher, options, lambda what, *_: moment(what))
save_groups(searcher.view.collection, found.found, items=found.items, **vars(options))
"""


def _made(root: Path, bundle: Path) -> Searcher:
    """Eight pictures, the last two of them copies, with groups kept at another threshold."""
    files = {f"{seed}.png": encoded(photograph(seed)) for seed in range(6)}
    copies = {f"{seed}-copy.png": files[f"{seed}.png"] for seed in range(2)}
    searcher = pictured(root, Bundle.open(bundle), {**files, **copies})
    found = find_duplicates(searcher, Options(1.0))
    save_groups(searcher.view.collection, found.found, items=found.items, threshold=1.0, bits=None, chains=False)
    return searcher


def _run(root: Path, number: int) -> list[str]:
    """The moments of a run up to its *number*-th, at which it died; 0 = it lives."""
    status, said = run_code(CHILD, str(root), str(number)).end()
    assert (-signal.SIGKILL if number else 0) == status
    return said.split()


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> list[str]:
    """What a run that lives goes through."""
    root = tmp_path_factory.mktemp("whole")
    _made(root, tiny_bundle)
    return _run(root, 0)


def test_a_run_goes_through_all_of_them(moments: list[str]) -> None:
    """The moments that are tried are those of comparing, of hashing, and of writing the groups whole."""
    assert {"comparing-vectors", "hashing-pictures", "grouping", "open", "os.rename"} <= set(moments)
    assert moments.index("os.rename") > moments.index("grouping")


@pytest.mark.parametrize("place", ["first hash", "last hash", "open", "os.rename"])
def test_killed_anywhere_the_old_groups_are_kept_and_the_next_run_ends(
    tmp_path: Path, tiny_bundle: Path, moments: list[str], place: str
) -> None:
    """After a kill the groups of before are whole; the same command finds what it would have, and no picture has two hashes."""
    hashing = [at for at, moment in enumerate(moments, 1) if moment == "hashing-pictures"]
    number = {"first hash": hashing[1], "last hash": hashing[-1]}.get(place) or moments.index(place) + 1
    searcher = _made(tmp_path, tiny_bundle)
    path = searcher.view.collection.path

    _run(tmp_path, number)

    kept = load_groups(path)
    assert kept is not None
    assert 1.0 == kept.info.threshold

    _run(tmp_path, 0)

    found = load_groups(path)
    assert found is not None
    assert (0.9, 4) == (found.info.threshold, found.info.bits)
    stored = lance.dataset(path / FOLDER / HASHES).to_table()["sha256"].to_pylist()
    assert 6 == len(stored) == len(set(stored))
    assert (path / FOLDER / GROUPS_FILE).is_file()
