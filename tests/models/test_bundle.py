"""A bundle, opened: what it embeds, what it refuses, where it is found."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import bundle as module
from models.bundle import Bundle, bundle_of, find_bundle, list_bundles
from models.decode import DecodeLimits, decode
from models.errors import (
    BundleAltered,
    BundleError,
    BundleInvalid,
    BundleMissing,
    BundleTooNew,
    ImageTooLarge,
    ImageUnreadable,
    TextInvalid,
)
from models.image import prepare
from models.manifest import MANIFEST_NAME, read_manifest
from models.ort import Runtime
from tests.support.images import encoded, picture, variety
from tests.support.tiny_bundle import COLOURS, make_tiny_bundle


@pytest.fixture
def folder(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that may be spoilt."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, open."""
    return Bundle.open(tiny_bundle)


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)


def _rewrite(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_words_find_what_they_name(bundle: Bundle) -> None:
    """Texts and images lie in one space: each colour's name is nearest to the picture in that colour."""
    pixels = np.stack([bundle.prepare(encoded(Image.new("RGB", (50, 40), each))) for each in COLOURS.values()])

    scores = bundle.embed_texts(list(COLOURS)).vectors @ bundle.embed_images(pixels).T

    assert list(range(len(COLOURS))) == scores.argmax(axis=1).tolist()


def test_identity(bundle: Bundle, tiny_bundle: Path) -> None:
    """An open bundle knows its folder, its manifest and the digest of that."""
    assert (tiny_bundle, read_manifest(tiny_bundle)) == (bundle.path, bundle.manifest)
    assert bundle.manifest.digest() == bundle.digest
    assert bundle.manifest.dim == bundle.encoder.dim


def test_opening_twice_gives_the_same_vectors(bundle: Bundle, tiny_bundle: Path) -> None:
    """Embeddings do not depend on the process, the thread count or whether the files were hashed."""
    other = Bundle.open(tiny_bundle, runtime=Runtime(threads=1, spin=True), verify=False)

    assert np.allclose(bundle.embed_texts(["a red dog"]).vectors, other.embed_texts(["a red dog"]).vectors, atol=1e-6)


def test_another_seed_is_another_model(tmp_path: Path, bundle: Bundle) -> None:
    """Bundles with other weights have other digests and other vectors; size and dimension follow the manifest."""
    other = Bundle.open(make_tiny_bundle(tmp_path / "other", dim=24, size=64, seed=1))

    assert bundle.digest != other.digest
    assert (64, 64, 3) == other.prepare(encoded(picture())).shape
    assert (1, 24) == other.embed_texts(["red"]).vectors.shape


def test_prepare_is_decode_then_image(bundle: Bundle) -> None:
    """A file goes through the limits, the draft at twice the input, and the one resize."""
    data = encoded(picture(640, 480), "JPEG")
    spec = bundle.manifest.preprocess

    assert np.array_equal(prepare(decode(data, min_side=2 * spec.size), spec), bundle.prepare(data))
    with pytest.raises(ImageTooLarge):
        bundle.prepare(data, DecodeLimits(max_pixels=100))
    with pytest.raises(ImageUnreadable):
        bundle.prepare(data[:500])


def test_draft_hardly_moves_the_embedding(bundle: Bundle) -> None:
    """Decoding a JPEG at a fraction leaves its vector where it was: cosine above 0.9999."""
    data = encoded(picture(1600, 1200), "JPEG")
    whole = prepare(decode(data), bundle.manifest.preprocess)

    vectors = bundle.embed_images(np.stack([whole, bundle.prepare(data)]))

    assert vectors[0] @ vectors[1] > 0.9999


@pytest.mark.parametrize("number", [0, 5, 6, 9, 13])
def test_the_same_picture_in_other_files(bundle: Bundle, number: int) -> None:
    """JPEG, PNG with alpha or palette, 16 bits and GIF of one picture embed close to each other or to its grey."""
    image = picture(64, 64)
    grey = number == 9

    vectors = bundle.embed_images(
        np.stack(
            [bundle.prepare(data) for data in (encoded(image.convert("L") if grey else image), variety(number, image))]
        )
    )

    assert vectors[0] @ vectors[1] > 0.99


def test_cut_texts_are_reported(bundle: Bundle) -> None:
    """A text beyond the context is embedded and marked; a lone surrogate is refused."""
    answer = bundle.embed_texts(["red", "red " * 500])

    assert [False, True] == answer.truncated.tolist()
    assert (2, 16) == answer.vectors.shape
    with pytest.raises(TextInvalid):
        bundle.embed_texts(["fine", "\ud800"])


@pytest.mark.parametrize("name", ["image.fp32.onnx", "text.fp32.onnx", "tokenizer.json"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_flipped_bit_is_found(folder: Path, name: str, part: float) -> None:
    """Wherever a bit of a file is flipped, opening says that this file was altered, and not what it broke."""
    _flip(folder / name, int(part * (folder / name).stat().st_size))

    with pytest.raises(BundleAltered, match=name):
        Bundle.open(folder)


@pytest.mark.parametrize("name", ["image.fp32.onnx", "text.fp32.onnx", "tokenizer.json"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_truncated_or_missing_file_is_found(folder: Path, name: str, verify: bool) -> None:
    """A file that is cut short or gone is named, with or without hashing."""
    path = folder / name
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(BundleAltered, match=f"{name} has"):
        Bundle.open(folder, verify=verify)
    path.unlink()
    with pytest.raises(BundleAltered, match=f"{name} is missing"):
        Bundle.open(folder, verify=verify)


def test_unverified_opening_trusts_the_contents(folder: Path) -> None:
    """Without hashing a flipped weight goes unseen: that is what `verify=False` means."""
    path = folder / "image.fp32.onnx"
    # a tensor's numbers stand behind its name
    _flip(path, path.read_bytes().rindex(b"projection") + 100)

    Bundle.open(folder, verify=False)
    with pytest.raises(BundleAltered):
        Bundle.open(folder)


def test_a_newer_bundle_is_refused(folder: Path) -> None:
    """A bundle of a later schema ends in advice to upgrade."""
    _rewrite(folder, schema_version=2)

    with pytest.raises(BundleTooNew, match="upgrade"):
        Bundle.open(folder)


def test_a_missing_variant_lists_those_there_are(tiny_bundle: Path) -> None:
    """Asking for a precision that was not exported names the ones that were."""
    with pytest.raises(BundleInvalid, match="'int8': choose one of fp32"):
        Bundle.open(tiny_bundle, variant="int8")


def test_auto_is_fp32_where_nothing_else_is(tiny_bundle: Path) -> None:
    """A bundle that has one precision opens with it, whatever the machine; it knows which that was."""
    assert "fp32" == Bundle.open(tiny_bundle, variant="auto").variant == Bundle.open(tiny_bundle).variant


@pytest.mark.parametrize("name", ["image.fp32.onnx", "tokenizer.json"])
def test_files_outside_the_seal_are_refused(folder: Path, name: str) -> None:
    """A file that would be used without a checksum does not open."""
    files = json.loads((folder / MANIFEST_NAME).read_text())["files"]
    del files[name]
    _rewrite(folder, files=files)

    with pytest.raises(BundleInvalid, match=f"does not seal {name}"):
        Bundle.open(folder)


def test_a_graph_that_lies_about_itself_is_refused(folder: Path) -> None:
    """A manifest that promises another dimension than its graphs answer does not open."""
    _rewrite(folder, dim=17)

    with pytest.raises(BundleInvalid, match="embedding"):
        Bundle.open(folder)


def test_every_fault_is_a_bundle_error(tmp_path: Path) -> None:
    """A caller that catches BundleError catches an empty folder too."""
    with pytest.raises(BundleError):
        Bundle.open(tmp_path)


@pytest.fixture
def home(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the bundles `b` and `a`, beside the built-in ones `a` and `c`, and scraps that are none."""
    monkeypatch.setattr(module, "BUILT_IN", tmp_path / "built_in")
    for root, names in ((tmp_path / "home" / "bundles", ("b", "a")), (tmp_path / "built_in", ("c", "a"))):
        for name in (*names, ".staging-x"):
            shutil.copytree(tiny_bundle, root / name)
        (root / "empty").mkdir()
        (root / "file.txt").write_text("")
    return tmp_path / "home"


def test_listing(home: Path, tmp_path: Path) -> None:
    """Home first, then the built-in ones, each by name; folders without manifest and unfinished ones do not count."""
    places = [(path.parent.relative_to(tmp_path).as_posix(), path.name) for path in list_bundles(home)]

    assert [("home/bundles", "a"), ("home/bundles", "b"), ("built_in", "a"), ("built_in", "c")] == places


@pytest.mark.parametrize(("name", "root"), [("a", "home/bundles"), ("b", "home/bundles"), ("c", "built_in")])
def test_a_name_is_found(home: Path, tmp_path: Path, name: str, root: str) -> None:
    """A name is looked up in the home, then among the built-in bundles."""
    assert tmp_path / root / name == find_bundle(name, home)


def test_a_path_is_itself(home: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, absolute or relative, goes before a name."""
    assert tiny_bundle == find_bundle(tiny_bundle, home) == find_bundle(str(tiny_bundle), home)
    monkeypatch.chdir(tiny_bundle.parent)
    assert Path(tiny_bundle.name) == find_bundle(tiny_bundle.name, home)


@pytest.mark.parametrize("reference", ["nothing", "empty", "/no/such/folder"])
def test_nothing_found_lists_what_there_is(home: Path, reference: str) -> None:
    """The message for an unknown bundle holds what was asked for and the names that would work."""
    with pytest.raises(BundleMissing, match=rf"{reference}.*a, b, a, c"):
        find_bundle(reference, home)


def test_nowhere_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any bundle the message says "none"."""
    monkeypatch.setattr(module, "BUILT_IN", tmp_path / "built_in")

    assert [] == list_bundles(tmp_path)
    with pytest.raises(BundleMissing, match="none"):
        find_bundle("x", tmp_path)


def test_a_bundle_is_found_by_its_digest(tmp_path: Path) -> None:
    """Whatever its folder is called, and whatever is broken beside it; what is not there is named."""
    digest = Bundle.open(make_tiny_bundle(tmp_path / "bundles" / "right", seed=3)).digest
    (tmp_path / "bundles" / "broken").mkdir()
    (tmp_path / "bundles" / "broken" / MANIFEST_NAME).write_text("{")

    assert tmp_path / "bundles" / "right" == bundle_of(digest, "clip", tmp_path)
    with pytest.raises(BundleMissing, match=r"'clip' \(digest 000000000000…\)"):
        bundle_of("0" * 64, "clip", tmp_path)
