"""`vilem distill-text` on the command line: a new text tower that finds in an old index what the old one finds."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from index.collection import Collection
from index.rows import Entry
from index.schema import Record
from index.searcher import Searcher
from models.bundle import BUILT_IN, Bundle
from models.errors import BundleError
from models.manifest import read_manifest
from models.ort import Runtime
from models.scenes.captions import describe
from models.scenes.corpus import example
from models.scenes.grammar import sample_scene
from models.training import distill_texts
from tests.support.collections import add_published, make_colours
from tests.support.tiny_bundle import COLOURS
from vilem.cli.main import app

BRIEF = 3
SMALL = ["--layers", "1", "--width", "32", "--heads", "2", "--vocabulary", "300", "--batch", "8", "--held-out", "4"]
PLAIN = ("pure", "light", "dark", "big", "small")


def vilem(home: Path, *arguments: str | Path) -> Result:
    """Run a command in *home*."""
    command = [*map(str, arguments), "--home", str(home)]
    return CliRunner().invoke(app, command, env={"COLUMNS": "250", "TERM": "dumb"})


def distill(home: Path, *arguments: str | Path) -> Result:
    """Run the command on the tiny bundle."""
    return vilem(home, "distill-text", "tiny", *arguments)


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A home with the tiny bundle, "colours" of it, and 40 captions in `captions.txt`."""
    make_colours(tmp_path, tiny_bundle)
    captions = [f"{plain} {colour}" for colour in COLOURS for plain in PLAIN]
    (tmp_path / "captions.txt").write_text("\n".join(captions))
    return tmp_path


def test_a_new_text_tower_finds_what_the_old_one_finds(tmp_path: Path) -> None:
    """From captions alone: the image files stay byte for byte, the hits are the teacher's far above chance, and the old
    collection is searched with the new bundle while nothing in it changes."""
    teacher = Bundle.open(BUILT_IN / "scenes-s", runtime=Runtime(threads=1))
    held_out = [example("test", number, 5, teacher.manifest.preprocess.size) for number in range(40)]
    vectors = teacher.embed_images(np.stack([each.image for each in held_out]))
    entries = [
        Entry(Record(f"{number:02d}", "file:///x", "0" * 64, 128, 128), vector, np.zeros((0, 128), np.float32))
        for number, vector in enumerate(vectors)
    ]
    add_published(tmp_path, teacher.manifest, "scenes", entries)
    rngs = [np.random.default_rng([9, number]) for number in range(640)]
    texts = [describe(sample_scene(rng, "train"), rng)[BRIEF].text for rng in rngs]
    (tmp_path / "captions.txt").write_text("\n".join(texts))
    stored = {path: path.read_bytes() for path in (tmp_path / "collections").rglob("*") if path.is_file()}

    size = ["--layers", "1", "--width", "64", "--heads", "2", "--vocabulary", "400", "--batch", "48", "--rate", "3e-3"]
    made = vilem(
        tmp_path, "distill-text", "scenes-s", "small", "--captions", tmp_path / "captions.txt", "--collection", "scenes",
        "--steps", "130", "--threads", "1", "--held-out", "40", *size,
    )  # fmt: skip

    assert 0 == made.exit_code, made.output
    student = Bundle.open(tmp_path / "bundles" / "small")
    assert teacher.manifest.space_digest() == student.manifest.space_digest()
    for name in ("image.onnx", "image.onnx.data"):
        assert (teacher.path / name).read_bytes() == (student.path / name).read_bytes()
    metrics = student.manifest.provenance.metrics
    # chance: 4 of 40
    assert metrics["teacher_hits4"] > 0.5
    assert metrics["teacher_cosine"] > 0.8
    assert f"{metrics['teacher_hits4']:.1%} of the first 4 of 40 pictures" in made.output
    assert student.manifest.provenance.notes["teacher"] == {
        "name": "scenes-s", "digest": teacher.digest, "space": teacher.manifest.space_digest(),
    }  # fmt: skip
    chosen = vilem(tmp_path, "index", "text-model", "scenes", "--model", "small")
    assert 0 == chosen.exit_code, chosen.output
    assert {path: path.read_bytes() for path in stored} == stored
    queries = [each.captions[BRIEF] for each in held_out]
    searcher = Searcher.open(tmp_path / "collections", "scenes")
    assert student.digest == searcher.text_model.bundle_digest
    found = [
        [{hit.id for hit in hits} for hits in searcher.search(bundle.embed_texts(queries).vectors, [5] * 40, "images")]
        for bundle in (teacher, student)
    ]
    # chance: 5 of 40
    assert np.mean([len(one & other) / 5 for one, other in zip(*found, strict=True)]) > 0.6


def test_a_run_that_was_stopped_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given again, the command ends with the text tower of a run that was not stopped, and nothing half-made is left."""
    monkeypatch.setattr(distill_texts, "CHECKPOINT_STEPS", 2)
    command = ["--captions", home / "captions.txt", "--steps", "6", *SMALL]
    assert 0 == distill(home, "whole", *command, "--work", home / "one").exit_code
    step = distill_texts.TextDistiller._descend

    def stopped(self: distill_texts.TextDistiller, rows: np.ndarray) -> float:
        if self.step == 5:
            raise KeyboardInterrupt
        return step(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(distill_texts.TextDistiller, "_descend", stopped)
        assert 0 != distill(home, "again", *command).exit_code
    assert not (home / "bundles" / "again").exists()

    result = distill(home, "again", *command)

    assert 0 == result.exit_code, result.output
    texts = ["big red", "white"]
    whole, again = (Bundle.open(home / "bundles" / name).embed_texts(texts).vectors for name in ("whole", "again"))
    np.testing.assert_array_equal(whole, again)
    assert ["again", "tiny", "whole"] == sorted(path.name for path in (home / "bundles").iterdir())


def test_a_collections_captions_are_learnt(home: Path) -> None:
    """With a collection alone its captions are what is learnt, and its pictures what hits are compared on."""
    result = distill(home, "new", "--collection", "colours", "--steps", "1", *SMALL)

    assert 0 == result.exit_code, result.output
    assert "12 captions to learn from, 4 held out" in result.output
    assert 24 == read_manifest(home / "bundles" / "new").provenance.metrics["teacher_hits2.images"]


def test_translations_are_read_by_the_new_tower(home: Path) -> None:
    """Lines of caption and translation are learnt beside captions, and the bundle's tokenizer knows their words."""
    (home / "de.tsv").write_text("".join(f"{word}\tzyzzyx{word}\n" for word in COLOURS))

    result = distill(
        home, "both", "--translations", home / "de.tsv", "--captions", home / "captions.txt", "--steps", "1", *SMALL
    )

    assert 0 == result.exit_code, result.output
    assert "44 captions to learn from, 4 held out" in result.output
    assert "zyzzyx" in json.dumps(
        json.loads((home / "bundles" / "both" / "tokenizer.json").read_text())["model"]["vocab"]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is nothing to learn from"),
        (["--width", "33"], "--width 33 is no multiple of --heads 2"),
    ],
)
def test_what_cannot_be_run_is_told(home: Path, arguments: list[str], words: str) -> None:
    """Before anything is trained, with what to give instead."""
    result = distill(home, "new", *SMALL, *arguments)

    assert 2 == result.exit_code
    assert words in " ".join(result.output.split())
    assert not (home / "training").exists()


def test_nothing_is_overwritten_and_no_name_leaves_its_folder(home: Path) -> None:
    """A bundle that is there, and a name that is a path, are refused."""
    assert "never overwritten" in distill(home, "tiny", *SMALL).output
    assert "cannot name a bundle" in distill(home, "../x", *SMALL).output


def test_a_stranger_does_not_teach_for_a_collection(home: Path) -> None:
    """The teacher must be the bundle that embedded the collection that hits are compared on."""
    result = vilem(home, "distill-text", "scenes-s", "new", "--collection", "colours", *SMALL)

    assert "was embedded by bundle tiny" in str(result.exception)
    assert not isinstance(result.exception, BundleError)
    assert 24 == Collection.open(home / "collections", "colours").count()
