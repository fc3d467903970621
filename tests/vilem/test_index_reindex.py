"""`vilem index reindex | rollback | generations | gc`, on the command line."""

import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from index.errors import CollectionInvalid, GenerationMissing, ReindexRefused
from index.plan import Budget
from index.publish import wishes
from index.reindex.report import REPORT_FILE
from index.searcher import Searcher
from index.versions import remove_old_versions
from models.errors import BundleMissing
from tests.index.published import entries, unit_vectors
from tests.index.reindex.support import NAME, expect_embedded_by, make_home, make_models, opened
from tests.index.support import REPOSITORY
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.main import app
from vilem.cli.stopping import EXIT_INTERRUPTED

WIDE = {"COLUMNS": "200", "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Sixteen pictures, embedded by the bundle "old"; the bundle "new" lies beside."""
    return make_home(tmp_path, make_models(tmp_path / "models"))


def run(home: Path, *arguments: str) -> Result:
    """One command on the collection."""
    command, *options = arguments
    return CliRunner().invoke(app, ["index", command, NAME, *options, "--home", str(home)], env=WIDE)


def lines(result: Result) -> list[str]:
    """What was printed, without the frames of tables."""
    return [" ".join(line.replace("│", " ").split()) for line in result.output.splitlines()]


def test_there_and_back(home: Path) -> None:
    """A change prints what was measured of both models; generations are listed; the way back is one command."""
    changed = run(home, "reindex", "--model", "new")
    assert 0 == changed.exit_code, changed.output
    assert "model old new" in lines(changed)
    assert "text to image R@1, of 16 captions 100.0 100.0 (+0.0 ± 0.0)" in lines(changed)
    assert "pictures that find themselves 16 of 16" in lines(changed)
    assert "colours is served by new" in lines(changed)
    table = [line for line in lines(run(home, "generations")) if line.startswith("g")]
    listed = [line.split()[1:5] for line in table]
    assert "text to image R@1 100.0 → 100.0, overlap@10" in table[0]
    assert "R@1" not in table[1]
    assert [["served", "new", "24", "16"], ["kept", "old", "16", "16"]] == listed

    returned = run(home, "rollback")

    assert 0 == returned.exit_code, returned.output
    assert "colours is served by old" in lines(returned)
    expect_embedded_by(home, "old")


def test_what_the_new_index_lacks_is_told(home: Path) -> None:
    """An index that is slower than wanted is told of after a change of model, as after a publication."""
    changed = run(home, "reindex", "--model", "new", "--kind", "hnsw-sq8", "--latency-ms", "0.000001")

    assert 0 == changed.exit_code, changed.output
    assert any(line.startswith("warning: images: one query takes") for line in lines(changed))


def test_the_index_is_as_it_was_or_as_the_options_say(home: Path) -> None:
    """What was wanted of the old index is wanted of the new one; each option changes its own part of it."""
    assert 0 == run(home, "publish", "--memory", "700MB", "--recall", "0.9").exit_code

    assert 0 == run(home, "reindex", "--model", "new", "--kind", "hnsw-sq8").exit_code
    assert (0.9, Budget(memory=700_000_000, kind="hnsw-sq8")) == wishes(opened(home).path)

    assert 0 == run(home, "rollback", "--recall", "0.8").exit_code
    assert Budget(memory=700_000_000, kind="hnsw-sq8") == wishes(opened(home).path)[1]


def test_what_was_measured_is_believed_only_as_it_was_written(home: Path) -> None:
    """A generation whose report says other than what was measured is not listed with it: the file is named, and what to do."""
    assert 0 == run(home, "reindex", "--model", "new").exit_code
    file = opened(home).path / REPORT_FILE
    file.write_text(file.read_text().replace('"pictures_lost": 0', '"pictures_lost": 9'))

    refused = run(home, "generations")
    file.unlink()

    assert isinstance(refused.exception, CollectionInvalid)
    assert "remove it" in str(refused.exception)
    assert 0 == run(home, "generations").exit_code


def test_what_is_served_already_is_no_error(home: Path) -> None:
    """A script may ask for the model that is served: nothing is done, and that is success."""
    result = run(home, "reindex", "--model", "old")

    assert (0, ["colours is served by old already"]) == (result.exit_code, lines(result))


def test_a_refusal_tells_the_figures(home: Path) -> None:
    """What speaks against the new model is printed with all that was measured, and is an error."""
    result = run(home, "reindex", "--model", "new", "--min-overlap", "1")

    assert isinstance(result.exception, ReindexRefused)
    assert any(line.startswith("overlap@10, of 16 items 0.") for line in lines(result))
    expect_embedded_by(home, "old")


def test_a_bundle_must_be_where_the_service_finds_it(home: Path, tmp_path: Path) -> None:
    """A bundle that lies elsewhere is refused before anything is embedded."""
    elsewhere = make_tiny_bundle(tmp_path / "elsewhere" / "third", dim=8, seed=5)

    result = run(home, "reindex", "--model", str(elsewhere))

    assert isinstance(result.exception, BundleMissing)
    assert not (opened(home).home / "generations").exists()


def test_garbage_goes_when_asked(home: Path) -> None:
    """Older generations are removed by a command, and then there is nothing to go back to."""
    run(home, "reindex", "--model", "new")

    assert ["removed: g0"] == lines(run(home, "gc", "--keep", "1"))
    assert ["removed: nothing"] == lines(run(home, "gc", "--unfinished"))
    assert isinstance(run(home, "rollback").exception, GenerationMissing)
    assert 16 == Searcher.open(home / "collections", NAME).count


def test_old_versions_go_when_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody needs of a collection that only jobs write to is removed, small files are merged, and what is there stays."""
    collection = opened(home)
    for number, vector in enumerate(unit_vectors(40, dim=16)):
        collection.add(entries(vector[None], captions=0, first=number))
    # not an hour
    monkeypatch.setattr(remove_old_versions, "__defaults__", (timedelta(0),))

    said = lines(run(home, "gc"))

    assert "removed: nothing" == said[0]
    assert re.fullmatch(r"old versions of files: \S+ kB are free again", said[1])
    now = opened(home)
    assert 56 == now.count()
    assert len(now.items.versions()) < 5 and len(now.items.get_fragments()) < 5


def test_a_supervisor_may_stop_it(home: Path) -> None:
    """SIGTERM ends it with one sentence while it embeds; the old model is served, and the same command goes on."""
    script = (
        "import time; from models.bundle import Bundle; plain = Bundle.embed_images\n"
        "def slow(self, pixels):\n    print('batch', flush=True); time.sleep(0.2); return plain(self, pixels)\n"
        "Bundle.embed_images = slow\n"
        "from vilem.cli.main import main; main()"
    )
    arguments = ["index", "reindex", NAME, "--model", "new", "--batch", "1", "--home", str(home)]
    child = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert child.stdout
    for _ in range(3):
        child.stdout.readline()
    time.sleep(0.1)
    child.send_signal(signal.SIGTERM)

    _, said = child.communicate(timeout=60)

    # Python ends itself by the signal where that came while a text was executed, a dataclass made say: a shell tells 130 too
    assert child.returncode in (EXIT_INTERRUPTED, -signal.SIGINT), said
    assert "the same command goes on from there" in said
    expect_embedded_by(home, "old")
    resumed = run(home, "reindex", "--model", "new")
    assert 0 == resumed.exit_code, resumed.output
    expect_embedded_by(home, "new")
