"""`vilem index plan` and `explain`."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from index.collection import Collection
from index.errors import GpuMissing
from index.gpu.device import gpus_for
from index.plan import Budget
from index.publish import publish
from tests.index.published import filled, unit_vectors
from vilem.cli.index_plan import budget_of, bytes_of, known_device, known_kind, publish_within
from vilem.cli.main import app

WIDE = {"COLUMNS": "250", "TERM": "dumb"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a published collection of 300 items and as many captions."""
    publish(filled(tmp_path / "collections", unit_vectors(300), "photos"), budget=Budget(kind="ivf-rabitq"))
    return tmp_path


def run(*arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(app, ["index", *arguments], env=WIDE)


def lines(result: Result) -> list[str]:
    """What was printed, without the frames of tables."""
    return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in result.output.splitlines()]


def test_a_plan_says_what_and_why() -> None:
    """Ten million rows: lists, their bytes, the reason, and what the other kinds would take."""
    result = run("plan", "--rows", "10000000", "--dim", "512")

    assert 0 == result.exit_code, result.output
    proposed = next(line for line in lines(result) if line.startswith("ivf-rabitq"))
    assert "IVF16384_HNSW32,RaBitQ2" in proposed
    assert "10,000,000 rows" in proposed
    assert "10.2 GB" in proposed
    assert any(line.startswith("flat Flat 20.6 GB") and line.endswith("not chosen") for line in lines(result))


def test_memory_changes_the_plan() -> None:
    """A budget is kept, and the plan says what did not fit; where nothing fits, what would."""
    tight = run("plan", "--rows", "100000", "--dim", "512", "--memory", "15MB")
    none = run("plan", "--rows", "100000", "--dim", "512", "--memory", "1MB")

    assert any("ivf-rabitq would keep 18.9 MB, 15 MB are given" in line for line in lines(tight)), tight.output
    assert 1 == none.exit_code
    assert "--memory" in str(none.exception)


def test_a_collection_knows_its_size(home: Path) -> None:
    """Planning for a collection needs no numbers, and refuses them."""
    result = run("plan", "photos", "--home", str(home))
    refused = run("plan", "photos", "--rows", "3", "--home", str(home))

    assert any("300 rows are compared at once" in line for line in lines(result))
    assert 2 == refused.exit_code
    assert 2 == run("plan", "--rows", "3").exit_code


def test_what_is_served_is_explained(home: Path) -> None:
    """Kind, reason, bytes, the choice and every measured setting of both indexes; one setting of each is chosen."""
    result = run("explain", "photos", "--home", str(home))

    assert 0 == result.exit_code, result.output
    shown = lines(result)
    assert "kind ivf-rabitq" in shown
    assert 2 == shown.count("why ivf-rabitq was asked for")
    assert 2 == sum(line.endswith("chosen") for line in shown)
    assert any("recall@10, images ask recall@10, texts ask" in line for line in shown)
    assert sum(line.startswith("nprobe") for line in shown) > 4


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("700MB", 7 * 10**8), ("1.5 GiB", 3 * 2**29), ("2g", 2 * 10**9), ("8kb", 8000)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    """A number with or without a unit, decimal or binary."""
    assert size == bytes_of(text)


@pytest.mark.parametrize("text", ["", "many", "-5MB", "5 apples", "MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything else says what a size looks like."""
    with pytest.raises(typer.BadParameter, match="700MB"):
        bytes_of(text)


def test_unknown_kinds_are_refused() -> None:
    """A kind that is none says which there are, before anything is embedded."""
    assert "hnsw-sq8" == known_kind("hnsw-sq8")
    with pytest.raises(typer.BadParameter, match="ivf-rabitq"):
        known_kind("hnsw")
    assert 2 == run("publish", "photos", "--kind", "hnsw").exit_code


def test_unknown_devices_are_refused() -> None:
    """A device that is none is refused with those that there are."""
    with pytest.raises(typer.BadParameter, match="auto, cpu, gpu"):
        known_device("tpu")
    assert "auto" == known_device("auto")


@pytest.mark.skipif(gpus_for("auto") is not None, reason="this machine has a GPU")
def test_a_gpu_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is opened: an index may take hours until it is published."""
    for arguments in (("publish", "none"), ("build", "none", "nowhere", "--model", "none")):
        result = run(*arguments, "--home", str(tmp_path), "--device", "gpu")
        assert 0 != result.exit_code
        assert isinstance(result.exception, GpuMissing)
        assert "go on with the CPU" in str(result.exception)


def test_options_that_are_left_out_stay() -> None:
    """What was wanted before goes on; nought or `any` lifts it."""
    before = Budget(memory=10, latency_ms=2.0, kind="flat")

    assert before == budget_of(None, None, None, before)
    assert Budget(memory=5, latency_ms=2.0, kind="flat") == budget_of(5, None, None, before)
    assert Budget() == budget_of(0, 0, "any", before)


def test_publishing_keeps_what_was_wanted(home: Path) -> None:
    """A publication without options is as the last one; with them, as they say."""
    collection = Collection.open(home / "collections", "photos")

    assert "ivf-rabitq" == publish_within(collection, None, None, None, None).images.kind
    given = publish_within(collection, 0.9, 10**6, None, "any")
    assert ("flat", 0.9, 10**6) == (given.images.kind, given.target_recall, given.budget.memory)
    again = run("publish", "photos", "--home", str(home), "--memory", "1MB", "--kind", "hnsw-fp16")
    assert 0 == again.exit_code, again.output
    assert "HNSW32,SQfp16" in again.output
