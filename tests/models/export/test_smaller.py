"""A bundle with int8 graphs beside its own."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.bundle import BUILT_IN, Bundle
from models.errors import BundleAltered, ExportError
from models.export.parity import sample_pixels
from models.export.smaller import LEAST_PICTURES, export_int8
from models.manifest import read_manifest, verify_bundle
from models.precision import AUTO, CLOSE, choose_variant

TEXTS = ["a large solid red circle", "exactly two objects on brown", ""]
PICTURES = np.concatenate([sample_pixels(96, seed) for seed in range(2)])


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    """The bundle that ships."""
    return Bundle.open(BUILT_IN / "scenes-s")


@pytest.fixture(scope="module")
def folder(shipped: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with int8."""
    output = tmp_path_factory.mktemp("bundles") / "smaller"
    export_int8(shipped, output, PICTURES)
    return output


def test_it_is_a_whole_bundle_of_one_space(shipped: Bundle, folder: Path) -> None:
    """It verifies, has the folder's name and a digest of its own, and an index of one is an index of the other."""
    manifest = read_manifest(folder)

    verify_bundle(folder, manifest)
    assert "smaller" == manifest.name
    assert manifest.digest() != shipped.digest
    assert manifest.space_digest() == shipped.manifest.space_digest()


def test_what_was_there_stays(shipped: Bundle, folder: Path) -> None:
    """Every file that the bundle sealed is there byte for byte; fp32 and the proofreader are told as before."""
    manifest = read_manifest(folder)

    assert shipped.manifest.files.items() <= manifest.files.items()
    assert shipped.manifest.variants["fp32"] == manifest.variants["fp32"]
    assert shipped.manifest.proofreader == manifest.proofreader
    assert shipped.manifest.provenance.metrics == manifest.provenance.metrics


def test_it_is_small(shipped: Bundle, folder: Path) -> None:
    """The int8 graphs weigh less than a third of fp32's, for tables that did not change are not kept twice."""
    sizes = {name: seal.size for name, seal in read_manifest(folder).files.items()}
    added = sum(size for name, size in sizes.items() if name not in shipped.manifest.files)

    assert added * 3 < sum(sizes[name] for name in ("image.onnx.data", "text.onnx.data"))


def test_it_says_nearly_the_same(shipped: Bundle, folder: Path) -> None:
    """Both towers' vectors are as near to fp32's as the manifest tells, and near enough to be taken by `auto`."""
    small, told = Bundle.open(folder, variant="int8"), read_manifest(folder).variants["int8"]
    pixels = sample_pixels(96, seed=9)
    images = (small.embed_images(pixels) * shipped.embed_images(pixels)).sum(axis=1)
    texts = (small.embed_texts(TEXTS).vectors * shipped.embed_texts(TEXTS).vectors).sum(axis=1)

    assert CLOSE < min(told.image_cosine, told.text_cosine, images.min(), texts.min())
    chosen = choose_variant(AUTO, small.manifest.variants, on_gpu=False, features=frozenset(("avx512_vnni",)))
    assert "int8" == chosen


def test_too_few_pictures_are_refused(shipped: Bundle, tmp_path: Path) -> None:
    """A handful tells no scales: nothing is written."""
    with pytest.raises(ExportError, match=f"at least {LEAST_PICTURES}"):
        export_int8(shipped, tmp_path / "none", PICTURES[: LEAST_PICTURES - 1])

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["my bundle", "clip+int8", "_x"])
def test_a_folder_that_names_no_bundle_is_refused(shipped: Bundle, tmp_path: Path, name: str) -> None:
    """What nothing could read is not written."""
    with pytest.raises(ExportError, match="names the bundle"):
        export_int8(shipped, tmp_path / name, PICTURES)

    assert [] == list(tmp_path.iterdir())


def test_int8_that_is_there_is_made_anew(folder: Path, tmp_path: Path) -> None:
    """Other pictures tell other scales: the graphs in int8 are new ones, and all else is as it was."""
    # half as bright as those before
    manifest = export_int8(Bundle.open(folder), tmp_path / "again", PICTURES // 2)

    verify_bundle(tmp_path / "again", manifest)
    old, new = read_manifest(folder).files, manifest.files
    assert old.keys() == new.keys()
    changed = {name for name in old if old[name] != new[name]}
    assert "image.int8.onnx" in changed
    assert all(".int8.onnx" in name for name in changed)
    assert CLOSE < Bundle.open(tmp_path / "again", variant="int8").manifest.variants["int8"].image_cosine


def test_an_altered_file_is_not_copied(tmp_path: Path) -> None:
    """What changed since the bundle was opened is found, and no bundle is left."""
    source = shutil.copytree(BUILT_IN / "scenes-s", tmp_path / "source")
    opened = Bundle.open(source)
    (source / "proof.vocabulary.json").write_bytes(b"[]")

    with pytest.raises(BundleAltered, match=r"proof\.vocabulary\.json"):
        export_int8(opened, tmp_path / "copy", PICTURES)

    assert ["source"] == [each.name for each in tmp_path.iterdir()]
