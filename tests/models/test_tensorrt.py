"""TensorRT: what ONNX Runtime is told, and where engines are kept."""

import errno
import fcntl
from pathlib import Path

import pytest

from models.bundle import Bundle
from models.errors import ModelError
from models.manifest import read_manifest, verify_bundle
from models.ort import Runtime, choose_providers
from models.tensorrt import MOST_ROWS, engine_folder, image_engine, text_engine
from tests.support.tiny_bundle import make_tiny_bundle

DIGEST = "ab" * 32


@pytest.mark.parametrize(("half", "told"), [(True, "True"), (False, "False")])
def test_options_are_those_of_onnx_runtime(tmp_path: Path, half: bool, told: str) -> None:
    """Engine and timings are kept in the folder, half precision is what was asked for, and shapes are written as trtexec's."""
    assert {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(tmp_path),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(tmp_path),
        "trt_fp16_enable": told,
        "trt_profile_min_shapes": "pixels:1x224x224x3",
        "trt_profile_opt_shapes": "pixels:32x224x224x3",
        "trt_profile_max_shapes": f"pixels:{MOST_ROWS}x224x224x3",
    } == image_engine(tmp_path, 224).options(half=half)


@pytest.mark.parametrize(
    ("context", "causal", "lengths"), [(77, True, (1, 16, 77)), (8, True, (1, 8, 8)), (64, False, (64, 64, 64))]
)
def test_texts_have_the_lengths_that_they_are_served_in(
    tmp_path: Path, context: int, causal: bool, lengths: tuple[int, ...]
) -> None:
    """A causal tower is given any length up to its context, others always the whole of it."""
    engine = text_engine(tmp_path, context, causal=causal)

    assert lengths == tuple(shapes["ids"][1] for shapes in (engine.least, engine.usual, engine.most))
    assert (1, MOST_ROWS) == (engine.least["ids"][0], engine.most["ids"][0])


def test_engines_lie_in_the_bundle(tmp_path: Path) -> None:
    """Each graph of each digest has a folder of its own, for names of engines do not tell weights apart."""
    (tmp_path / "bundle").mkdir()
    folders = {
        engine_folder(tmp_path / "bundle", digest, graph, tmp_path / "home")
        for digest in (DIGEST, "cd" * 32)
        for graph in ("image.onnx", "image.fp16.onnx", "text.onnx")
    }

    assert 6 == len(folders)
    assert all(each.is_dir() and (tmp_path / "bundle") in each.parents for each in folders)


def test_a_seal_is_not_of_engines(tmp_path: Path) -> None:
    """A bundle with engines in it is whole, has the digest that it had, and opens."""
    bundle = make_tiny_bundle(tmp_path / "tiny")
    before = read_manifest(bundle).digest()
    (engine_folder(bundle, before, "image.onnx") / "kernel.engine").write_bytes(b"built")

    verify_bundle(bundle, read_manifest(bundle))

    assert before == Bundle.open(bundle).digest


def test_a_bundle_that_cannot_be_written_has_them_beside_the_home(tmp_path: Path) -> None:
    """What cannot be made in the bundle's folder is made in a cache; where that cannot be made either, it says what to do."""
    bundle, home = tmp_path / "bundle", tmp_path / "home"
    bundle.mkdir()
    # nobody, root neither, makes a folder in a file
    (bundle / "engines").touch()

    found = engine_folder(bundle, DIGEST, "text.onnx", home)
    assert home / ".cache" / "vilem" / "engines" / DIGEST[:32] / "text" == found

    other = tmp_path / "other"
    other.touch()
    with pytest.raises(ModelError, match=r"neither .* can be written .* choose the device cuda"):
        engine_folder(bundle, DIGEST, "text.onnx", other)


def test_one_builds_while_others_wait(tmp_path: Path) -> None:
    """While an engine is built its folder is locked, and free again whatever became of it."""
    engine = image_engine(tmp_path, 32)
    with pytest.raises(RuntimeError, match="failed"), engine.building():
        with (tmp_path / "lock").open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise RuntimeError("failed")

    with (tmp_path / "lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that gives no lock is named as what is wrong, and not the bundle."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)

    with (
        pytest.raises(ModelError, match=r"cannot be locked.*No locks available"),
        image_engine(tmp_path, 32).building(),
    ):
        pytest.fail("nothing is built without the lock")


def test_a_build_without_it_says_so(tiny_bundle: Path) -> None:
    """A bundle that is opened with TensorRT where ONNX Runtime has none is an error that names the package."""
    try:
        choose_providers("tensorrt")
    except ModelError as error:
        with pytest.raises(ModelError, match="onnxruntime-gpu") as raised:
            Bundle.open(tiny_bundle, runtime=Runtime(device="tensorrt"))
        assert str(error) == str(raised.value)
    else:
        pytest.skip("this ONNX Runtime has TensorRT: tests/models/test_binding.py runs it where there is a card")
