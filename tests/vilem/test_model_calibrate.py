"""`vilem model calibrate`: from pairs to a file that searches believe."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from index.collection import Collection
from index.rows import Entry
from index.schema import Record
from models.bundle import Bundle
from models.errors import MatchingInvalid
from models.evaluation.matching import LEAST_TEXTS
from models.manifest import MANIFEST_NAME, read_manifest
from models.matching import MATCHING_NAME, read_matching
from tests.support.collections import add_published, colour_picture, make_colours
from tests.support.tiny_bundle import COLOURS, make_tiny_bundle
from vilem.cli.main import app

THINGS = ("dog", "cat", "square", "circle", "photo", "picture", "left")
WIDE = {"COLUMNS": "300", "TERM": "dumb"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the collection "things", 56 pictures of eight colours with a caption each, and "few"."""
    folder = tmp_path_factory.mktemp("home")
    bundle = Bundle.open(make_tiny_bundle(folder / "bundles" / "tiny"))
    entries: list[Entry] = []
    for shade, thing in enumerate(THINGS):
        for colour in COLOURS:
            pixels = bundle.prepare(colour_picture(colour, shade))
            record = Record(
                id=f"{colour}-{thing}", uri="file:///none", sha256="0" * 64, width=48, height=40,
                captions=(f"{colour} {thing}",),
            )  # fmt: skip
            vectors = bundle.embed_texts(record.captions).vectors
            entries.append(Entry(record, bundle.embed_images(pixels[None])[0], vectors))
    add_published(folder, bundle.manifest, "things", entries)
    make_colours(folder, folder / "bundles" / "tiny", "few")
    return folder


def run(home: Path, *arguments: str) -> str:
    """Output of a calibration that succeeds."""
    result = CliRunner().invoke(app, ["model", "calibrate", *arguments, "--home", str(home)], env=WIDE)
    assert 0 == result.exit_code, result.output
    return result.output


def test_a_collection_is_calibrated_by_its_own_captions(home: Path) -> None:
    """The file lies in its folder, is its model's, and tells its own pairs from others."""
    said = run(home, "--collection", "things")

    folder, digest = Collection.open(home / "collections", "things").path, read_manifest(home / "bundles/tiny").digest()
    made = read_matching(folder, digest)
    assert made is not None
    assert "collection things" in made.source
    assert made.source in said
    assert len(COLOURS) * len(THINGS) == made.matched
    # pictures of a colour have other captions of it too, which count as wrong: near ones are half right
    assert made.probability(1.0) > 0.7 > 0.3 > made.probability(0.0)


def test_a_bundle_is_calibrated_by_a_data_set(home: Path, tmp_path: Path) -> None:
    """The file lies in the bundle's folder; digest and seals are what they were, and it opens as before."""
    rows: list[str] = []
    for shade, thing in enumerate(THINGS):
        for colour in COLOURS:
            path = tmp_path / f"{colour}-{shade}.png"
            Image.open(io.BytesIO(colour_picture(colour, shade))).save(path)
            rows.append(json.dumps({"id": path.stem, "path": path.name, "captions": [f"{colour} {thing}", colour]}))
    (tmp_path / "pairs.jsonl").write_text("\n".join(rows))
    bundle = home / "bundles" / "tiny"
    before = (bundle / MANIFEST_NAME).read_bytes()

    run(home, "tiny", "--data", str(tmp_path / "pairs.jsonl"))

    assert before == (bundle / MANIFEST_NAME).read_bytes()
    made = read_matching(bundle, Bundle.open(bundle).digest)
    assert made is not None
    assert str(tmp_path / "pairs.jsonl") in made.source
    # one pair for each text, though seven pictures share each colour's name
    assert len(COLOURS) * (len(THINGS) + 1) == made.matched


def test_a_second_time_takes_the_place_of_the_first(home: Path) -> None:
    """With another seed other pairs are drawn: the file is the last one's, and the only one."""
    folder = Collection.open(home / "collections", "things").path
    found: list[bytes] = []
    for seed in ("1", "2", "1"):
        run(home, "--collection", "things", "--seed", seed)
        found.append((folder / MATCHING_NAME).read_bytes())

    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a bundle, or a collection"),
        (["tiny", "--collection", "things"], "not both"),
        (["tiny", "--images", "."], "belong to --data"),
        (["--collection", "things", "--scenes", "60"], "own captions"),
        (["tiny", "--data", "x.jsonl", "--scenes", "60"], "nothing is rendered"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Path, arguments: list[str], said: str) -> None:
    """Options that would be ignored are errors, which say what to do."""
    result = CliRunner().invoke(app, ["model", "calibrate", *arguments, "--home", str(home)], env=WIDE)

    assert 2 == result.exit_code
    assert said in " ".join(result.output.replace("│", " ").split())


def test_too_few_pairs_are_refused(home: Path) -> None:
    """Sixteen captions are no ground for a probability: nothing is written, and it says how many are."""
    result = CliRunner().invoke(app, ["model", "calibrate", "--collection", "few", "--home", str(home)])

    assert isinstance(result.exception, MatchingInvalid)
    assert str(LEAST_TEXTS) in str(result.exception)
    assert not (Collection.open(home / "collections", "few").path / MATCHING_NAME).exists()
