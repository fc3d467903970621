"""bundle.json: what it must say, and what is said when it does not."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.bundle import BUILT_IN
from models.errors import BundleAltered, BundleInvalid, BundleMissing, BundleTooNew
from models.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    BundleManifest,
    image_files,
    is_bundle_name,
    read_manifest,
    verify_bundle,
)
from tests.support.german_bundle import make_german
from tests.support.tiny_bundle import make_tiny_bundle


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that may be spoilt."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def _rewrite(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_reading_gives_what_was_written(tiny_bundle: Path) -> None:
    """The file's bytes are exactly those of the manifest read from it: the digest is the file's SHA-256."""
    manifest = read_manifest(tiny_bundle)

    assert (tiny_bundle / MANIFEST_NAME).read_bytes() == manifest.to_bytes()
    assert manifest == BundleManifest.from_fields(json.loads(manifest.to_bytes()))
    assert 64 == len(manifest.digest())


def test_the_digest_tells_models_apart(tiny_bundle: Path) -> None:
    """Any change of the manifest, and so of any sealed file, changes the digest."""
    manifest = read_manifest(tiny_bundle)
    other = manifest.model_copy(update={"logit_scale": manifest.logit_scale + 1})

    assert manifest.digest() != other.digest()


def test_digests_outlive_new_fields(tiny_bundle: Path) -> None:
    """A ViLEM that knows more fields gives old bundles their old digests: collections name their bundle by it."""

    class Newer(BundleManifest):
        towers: int = 2

    fields = json.loads((tiny_bundle / MANIFEST_NAME).read_bytes())

    assert read_manifest(tiny_bundle).digest() == Newer.from_fields(fields).digest()
    assert b"towers" in Newer.model_validate(fields).to_bytes()


def test_the_digest_of_the_bundle_that_ships_is_known() -> None:
    """Collections in the field were built with it: a change of this digest orphans them."""
    digest = read_manifest(BUILT_IN / "scenes-s").digest()

    assert "8172e7ad0b69a77ac57ac720dd7ce3382212cc12fe0076e9f77a94564fc005ac" == digest


def test_a_manifest_that_cannot_be_read_is_told(folder: Path) -> None:
    """A file without the right to read it, or on a disk that fails, is an invalid bundle, not a crash."""
    # the right to read cannot be taken from root, as whom tests may run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", _denied)
        with pytest.raises(BundleInvalid, match="cannot be read"):
            read_manifest(folder)


def _denied(_: Path) -> bytes:
    raise PermissionError(13, "Permission denied")


def test_a_manifest_is_frozen(tiny_bundle: Path) -> None:
    """What was read cannot be changed by accident."""
    manifest = read_manifest(tiny_bundle)

    with pytest.raises(ValidationError, match="frozen"):
        manifest.dim = 3


@pytest.mark.parametrize("place", ["absent", ""])
def test_no_bundle(tmp_path: Path, place: str) -> None:
    """A missing folder and a folder without manifest are both "no bundle", with the command that lists them."""
    with pytest.raises(BundleMissing, match="vilem model list"):
        read_manifest(tmp_path / place)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "3", "{}", "\x00", '{"name": "x"}'])
def test_not_a_manifest(folder: Path, content: str) -> None:
    """Whatever is no JSON object with a schema version is named by its path."""
    (folder / MANIFEST_NAME).write_text(content)

    with pytest.raises(BundleInvalid, match=r"bundle\.json is not a bundle manifest"):
        read_manifest(folder)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 99, "2", None, 1.5])
def test_newer_schema(folder: Path, version: object) -> None:
    """A schema that this program does not know ends in advice to upgrade, whatever else the file holds."""
    _rewrite(folder, schema_version=version, new_field=1)

    with pytest.raises(BundleTooNew, match="upgrade ViLEM"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"dim": 0}, "dim"),
        ({"dim": "many"}, "dim"),
        ({"name": "../escape"}, "name"),
        ({"name": ""}, "name"),
        ({"logit_scale": -1}, "logit_scale"),
        ({"preprocess": {"size": 32, "resize": "longest", "mean": [0, 0, 0], "std": [1, 1, 1]}}, "preprocess.resize"),
        ({"text": {"context_length": 0, "causal": True}}, "text.context_length"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_the_wrong_field_is_named(folder: Path, changes: dict[str, object], where: str) -> None:
    """A value out of range, or a field nobody knows, is reported by its path in the file."""
    _rewrite(folder, **changes)

    with pytest.raises(BundleInvalid, match=where):
        read_manifest(folder)


def test_a_missing_field_is_named(folder: Path) -> None:
    """A field that is not there is reported by name."""
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    del fields["text"]
    (folder / MANIFEST_NAME).write_text(json.dumps(fields))

    with pytest.raises(BundleInvalid, match="text: Field required"):
        read_manifest(folder)


def test_verification_speaks_of_bundles(folder: Path) -> None:
    """An intact bundle passes; a changed byte is a BundleAltered that names the file."""
    manifest = read_manifest(folder)
    verify_bundle(folder, manifest)
    graph = folder / manifest.variants["fp32"].image
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)

    with pytest.raises(BundleAltered, match=graph.name):
        verify_bundle(folder, manifest)
    verify_bundle(folder, manifest, contents=False)


FITTED: dict[str, object] = {
    "slope": 1.5, "intercept": -0.5, "alpha": 0.1, "words": 100, "ece_before": 0.1, "ece_after": 0.01,
    "r1_before": 0.5, "r1_after": 0.6,
}  # fmt: skip
OLDER_READING: dict[str, object] = {
    "image": "proof.image.onnx", "text": "proof.text.onnx", "reading": "proofreader.onnx", "vocabulary": "words.json",
    "words": 9, "features": 8, "patches": 4, "channels": 8, "calibration": FITTED,
}  # fmt: skip
READING = OLDER_READING | {"calibration": FITTED | {"threshold": 0.25}}


def test_a_proofreader_is_part_of_the_identity(folder: Path) -> None:
    """What a manifest says of a proofreader is read, written back byte for byte, and changes the digest."""
    before = read_manifest(folder)
    _rewrite(folder, proofreader=READING)

    manifest = read_manifest(folder)

    assert manifest.proofreader is not None
    assert 1.5 == manifest.proofreader.calibration.slope
    assert READING == json.loads(manifest.to_bytes())["proofreader"]
    assert before.digest() != manifest.digest()


def test_the_threshold_is_no_part_of_the_identity(folder: Path) -> None:
    """Bundles that differ in the threshold alone have one digest: it may be chosen anew beside collections that exist."""
    _rewrite(folder, proofreader=OLDER_READING)
    older = read_manifest(folder)
    assert older.proofreader is not None

    found = [older, *(older.with_threshold(each) for each in (0.25, 0.5, 0.75))]
    found.append(BundleManifest.from_fields(json.loads(found[1].to_bytes())))

    assert {older.digest()} == {each.digest() for each in found}
    assert [0.5, 0.25, 0.5, 0.75, 0.25] == [
        each.proofreader.calibration.threshold for each in found if each.proofreader is not None
    ]
    # what did not say it does not say it now
    assert [False, True, True, True, True] == [b"threshold" in each.to_bytes() for each in found]


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_is_a_probability(folder: Path, threshold: float) -> None:
    """What is not between 0 and 1 is refused, and so is any threshold of a bundle that cannot proofread."""
    with pytest.raises(ValueError, match="no proofreader"):
        read_manifest(folder).with_threshold(0.5)
    _rewrite(folder, proofreader=READING)

    with pytest.raises(ValueError, match="threshold"):
        read_manifest(folder).with_threshold(threshold)


def test_a_bundle_without_a_proofreader_does_not_speak_of_one(tiny_bundle: Path) -> None:
    """A manifest made today without one is the same as before there were any: older programs read it."""
    manifest = read_manifest(tiny_bundle)
    made = BundleManifest.model_validate(manifest.model_dump())

    assert made.proofreader is None
    assert b"proofreader" not in made.to_bytes()
    assert manifest.to_bytes() == made.to_bytes()


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"words": 0}, "proofreader.words"),
        ({"patches": -1}, "proofreader.patches"),
        ({"calibration": FITTED | {"slope": -1}}, "proofreader.calibration.slope"),
        ({"calibration": FITTED | {"alpha": -1}}, "proofreader.calibration.alpha"),
        ({"calibration": FITTED | {"threshold": 0}}, "proofreader.calibration.threshold"),
        ({"calibration": FITTED | {"threshold": 1}}, "proofreader.calibration.threshold"),
        ({"calibration": None}, "proofreader.calibration"),
        ({"surprise": 1}, "proofreader.surprise"),
    ],
)
def test_a_wrong_field_of_the_proofreader_is_named(folder: Path, part: dict[str, object], where: str) -> None:
    """Sizes are positive, the fitted numbers do not turn the module's judgement round."""
    _rewrite(folder, proofreader=READING | part)

    with pytest.raises(BundleInvalid, match=where):
        read_manifest(folder)


def test_a_space_is_what_makes_an_images_vector(tiny_bundle: Path, tmp_path: Path) -> None:
    """Another text side leaves the space as it is; other image weights, preparation or dimension make another one."""
    manifest = read_manifest(tiny_bundle)
    german = read_manifest(make_german(tiny_bundle, tmp_path / "german"))
    stranger = read_manifest(make_tiny_bundle(tmp_path / "stranger", seed=5))
    squash = manifest.preprocess.model_copy(update={"resize": "squash"})
    spaces = [
        manifest.space_digest(),
        stranger.space_digest(),
        manifest.model_copy(update={"preprocess": squash}).space_digest(),
        manifest.model_copy(update={"dim": manifest.dim + 1}).space_digest(),
    ]

    assert spaces[0] == german.space_digest()
    assert manifest.digest() != german.digest()
    assert 4 == len(set(spaces))


def test_weights_beside_the_graph_make_the_space() -> None:
    """A graph whose weights lie in a file of their own has another space when that file is another."""
    manifest = read_manifest(BUILT_IN / "scenes-s")
    assert ["image.onnx", "image.onnx.data"] == image_files(manifest, "fp32")
    for name in manifest.files:
        seal = manifest.files[name].model_copy(update={"sha256": "0" * 64})
        other = manifest.model_copy(update={"files": {**manifest.files, name: seal}})
        assert name.startswith("image.onnx") == (manifest.space_digest() != other.space_digest())


def test_a_bundle_that_seals_no_image_graph_has_no_space(tiny_bundle: Path) -> None:
    """Nothing is derived from what nobody sealed."""
    manifest = read_manifest(tiny_bundle)
    files = {name: seal for name, seal in manifest.files.items() if not name.startswith("image")}

    with pytest.raises(BundleInvalid, match="seals no fp32 image graph"):
        manifest.model_copy(update={"files": files}).space_digest()


@given(name=st.text(max_size=140))
def test_what_may_name_a_bundle_may_name_a_folder(name: str) -> None:
    """A bundle's name is no path: it stays in the folder that holds it, and is not hidden there."""
    if is_bundle_name(name):
        assert name == Path(name).name
        assert not name.startswith(".")
        assert len(name.encode()) <= 128
    assert not is_bundle_name(f"../{name}")
    assert not is_bundle_name(f"{name}\n")
