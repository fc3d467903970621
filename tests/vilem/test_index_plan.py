"""`vilem index plan` and `explain`."""

from pathlib import Path
from typing import cast

import pytest
import typer
from typer.testing import CliRunner, Result

from index.collection import Collection
from index.errors import GpuMissing, PlanImpossible
from index.gpu.device import gpus_for
from index.plan import Budget
from index.publish import current, publish
from index.snapshot import read_manifest
from models.bundle import Bundle
from tests.index.published import entries, filled, unit_vectors
from tests.support.tiny_bundle import make_tiny_bundle
from vilem.cli.index_plan import budget_of, bytes_of, embedded, known_device, known_kind, publish_within, texts_in
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
    proposed = next(line for line in lines(result) if line.startswith("vectors ivf-rabitq"))
    assert "IVF16384_HNSW32,RaBitQ2" in proposed
    assert "10,000,000 rows" in proposed
    assert "10.2 GB" in proposed
    assert any(line.startswith("vectors flat Flat 20.6 GB") and line.endswith("not chosen") for line in lines(result))


def test_memory_changes_the_plan() -> None:
    """A budget is kept, and the plan says what did not fit; where nothing fits, what would."""
    tight = run("plan", "--rows", "100000", "--dim", "512", "--memory", "15MB")
    none = run("plan", "--rows", "100000", "--dim", "512", "--memory", "1MB")

    assert any("ivf-rabitq would keep 18.9 MB, 15 MB are given" in line for line in lines(tight)), tight.output
    assert 1 == none.exit_code
    assert "--memory" in str(none.exception)


def test_a_collection_knows_its_size(home: Path) -> None:
    """Planning for a collection needs no numbers, and refuses them."""
    result = run("plan", "photos", "--kind", "any", "--home", str(home))
    refused = run("plan", "photos", "--rows", "3", "--home", str(home))

    assert any("300 rows are compared at once" in line for line in lines(result))
    assert 2 == refused.exit_code
    assert 2 == run("plan", "--rows", "3").exit_code


def proposed(result: Result) -> dict[str, str]:
    """The kind of each line of a plan that is chosen, by what it is of."""
    assert 0 == result.exit_code, result.output
    chosen = [line.split() for line in lines(result) if "not chosen" not in line]
    return {words[0]: words[1] for words in chosen if words and words[0] in ("images", "texts", "moments")}


def test_a_plan_is_what_publishing_builds(home: Path) -> None:
    """Images and captions have a line each, and share the memory; a publication with the same options has those kinds."""
    for memory in ("30kB", "40kB"):
        options = ("photos", "--home", str(home), "--memory", memory, "--kind", "any", "--recall", "0.8")
        planned = proposed(run("plan", *options))

        published = run("publish", *options)

        assert 0 == published.exit_code, published.output
        manifest = read_manifest(current(Collection.open(home / "collections", "photos").path))
        assert manifest.texts is not None
        assert {"images": manifest.images.kind, "texts": manifest.texts.kind} == planned


def test_a_plan_starts_from_what_was_wanted(home: Path) -> None:
    """What a collection was published with holds until an option says otherwise, as when it is published."""
    place = ("photos", "--home", str(home))

    assert {"images": "ivf-rabitq", "texts": "ivf-rabitq"} == proposed(run("plan", *place))
    assert {"images": "flat", "texts": "flat"} == proposed(run("plan", *place, "--kind", "any"))


def test_the_memory_that_is_advised_is_accepted(home: Path) -> None:
    """By planning and by publishing, which refuse the same amounts."""
    place = ("photos", "--home", str(home))
    refused = [run(command, *place, "--memory", "9kB") for command in ("plan", "publish")]

    assert 1 == len({str(each.exception) for each in refused})
    assert isinstance(refused[0].exception, PlanImpossible)
    enough = str(refused[0].exception).split("--memory ")[1].split()[0]
    for command in ("plan", "publish"):
        assert 0 == run(command, *place, "--memory", enough).exit_code


def test_what_falls_short_is_told(home: Path) -> None:
    """An index slower than was wanted is published with a warning on stderr, and explained with the same words."""
    published = run("publish", "photos", "--home", str(home), "--latency-ms", "0.000001")

    assert 0 == published.exit_code, published.output
    assert "warning: images: one query takes" in published.stderr
    assert "warning" not in published.stdout
    assert any(
        line.startswith("warning images: one query takes")
        for line in lines(run("explain", "photos", "--home", str(home)))
    )


def test_texts_that_will_be_asked_are_read_from_a_file(tmp_path: Path) -> None:
    """One a line: what the index of a collection without captions is tuned on beside its pictures; an empty file lifts it."""
    bundle = Bundle.open(make_tiny_bundle(tmp_path / "bundles" / "tiny"))
    vectors = unit_vectors(300, bundle.manifest.dim)
    collection = Collection.create(
        tmp_path / "collections", "photos", dim=vectors.shape[1], bundle_digest=bundle.digest, bundle_name="tiny"
    )
    collection.add(entries(vectors, captions=0))
    file, place = tmp_path / "asked.txt", ("photos", "--home", str(tmp_path), "--kind", "hnsw-fp16")

    assert "tuned on images alone" in run("publish", *place).stderr
    file.write_text("a red square\n\n  a blue dog\n")
    assert "warning" not in run("publish", *place, "--queries", str(file)).output
    assert any("queries ask" in line for line in lines(run("explain", *place[:3])))
    file.write_text("\n")
    assert "tuned on images alone" in run("publish", *place, "--queries", str(file)).stderr


def test_a_file_of_texts_is_read_by_lines(tmp_path: Path) -> None:
    """Blank lines and marks of Windows are left out, more than 200 are thinned out evenly, and what is no text is refused."""
    file = tmp_path / "asked.txt"
    file.write_bytes("\ufeffein Hünd\r\n\r\n zwei \r\n".encode())
    assert ["ein Hünd", "zwei"] == texts_in(file)
    file.write_text("\n".join(str(number) for number in range(500)))
    assert [str(number) for number in range(0, 500, 3)] == texts_in(file)
    file.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(typer.BadParameter, match="one text a line"):
        texts_in(file)
    assert embedded(None, cast(Collection, None), tmp_path) is None


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
