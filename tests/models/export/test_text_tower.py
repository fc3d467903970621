"""A new text tower beside an image side that stays."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.errors import BundleAltered
from models.export.text_tower import export_text_tower
from models.manifest import BundleManifest, Provenance
from models.training.features import text_features
from models.training.parts import TextTower
from models.training.text_session import Student, new_student
from tests.support.tiny_bundle import COLOURS, make_tiny_bundle

SIZE = TextTower(context_length=16, vocabulary=280, width=16, heads=2, layers=1)
TEXTS = ["red", "a big blue circle"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two precisions."""
    return make_tiny_bundle(tmp_path_factory.mktemp("teacher") / "two", precision="fp16")


def _export(student: Student, teacher: Path, output: Path) -> BundleManifest:
    provenance = Provenance(architecture="x", pretrained="y", notes={"teacher": "two"})
    return export_text_tower(
        student.model.eval(),
        student.tokenizer_json,
        Bundle.open(teacher),
        name="new",
        output=output,
        text=student.text,
        provenance=provenance,
    )


def _student(dim: int = 16) -> Student:
    return new_student(dim, SIZE, list(COLOURS), 0)


def test_the_image_side_stays_and_the_texts_are_the_new_towers(teacher: Path, tmp_path: Path) -> None:
    """Image files are the teacher's to the byte in every precision, and so is the space; texts are what torch says."""
    student = _student()

    manifest = _export(student, teacher, tmp_path / "new")

    old, new = Bundle.open(teacher), Bundle.open(tmp_path / "new")
    assert {"fp32", "fp16"} == manifest.variants.keys()
    for name in ("image.fp32.onnx", "image.fp16.onnx"):
        assert (teacher / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
    assert old.manifest.space_digest() == manifest.space_digest()
    assert old.digest != new.digest == manifest.digest()
    with torch.no_grad():
        expected = text_features(student.model, student.ids(TEXTS)).embedding.numpy()
    np.testing.assert_allclose(expected, new.embed_texts(TEXTS).vectors, atol=1e-4)
    half = Bundle.open(tmp_path / "new", variant="fp16").embed_texts(TEXTS).vectors
    assert (half * expected).sum(axis=1).min() > 0.999
    assert manifest.variants["fp16"].text_cosine > 0.999
    assert "two" == manifest.provenance.notes["teacher"]


def test_a_proofreader_is_left_out_and_that_is_said(proof_bundle: Path, tmp_path: Path) -> None:
    """It reads token features of the tower that was replaced: no file of it is copied, and the manifest tells."""
    dim = Bundle.open(proof_bundle).manifest.dim

    manifest = _export(_student(dim), proof_bundle, tmp_path / "new")

    assert manifest.proofreader is None
    assert "left out" in str(manifest.provenance.notes["proofreader"])
    assert {"bundle.json", *manifest.files} == {path.name for path in (tmp_path / "new").iterdir()}
    assert all(name.partition(".")[0] in ("image", "text", "tokenizer") for name in manifest.files)


def test_an_altered_teacher_is_refused(teacher: Path, tmp_path: Path) -> None:
    """Image files that are not what the teacher sealed never become another bundle; nothing is left half-made."""
    spoilt = Path(shutil.copytree(teacher, tmp_path / "spoilt"))
    opened = Bundle.open(spoilt)
    graph = spoilt / "image.fp16.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    student = _student()

    with pytest.raises(BundleAltered, match="is altered"):
        export_text_tower(
            student.model.eval(), student.tokenizer_json, opened, name="new", output=tmp_path / "new",
            text=student.text, provenance=Provenance(architecture="x", pretrained="y"),
        )  # fmt: skip
    assert [spoilt] == list(tmp_path.iterdir())
