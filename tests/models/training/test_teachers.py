"""Teachers: bundles and open_clip models, and what is remembered of their words."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.bundle import Bundle
from models.image import prepare
from models.open_clip_import import import_open_clip
from models.training.teachers import BundleTeacher, Memory, OpenClipTeacher, Teacher
from tests.models.export.folders import WEIGHTS, make_folder

TEXTS = ["a red square", "a dog on the left of a cat"]


@pytest.fixture(scope="module")
def tiny(tiny_bundle: Path) -> BundleTeacher:
    """The tiny bundle as a teacher."""
    return BundleTeacher(Bundle.open(tiny_bundle))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip model in a folder."""
    return make_folder("quickgelu", tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Three pictures of noise, larger than any tower's input."""
    return np.random.default_rng(0).integers(0, 256, (3, 80, 80, 3), np.uint8)


def test_an_open_clip_model_teaches_what_open_clip_says(folder: Path, pictures: np.ndarray) -> None:
    """Vectors are those of open_clip's own transform, tokenizer and encode functions; the scale is the model's."""
    open_clip = import_open_clip()
    name = f"local-dir:{folder}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    model.eval()
    with torch.no_grad():
        texts = model.encode_text(open_clip.get_tokenizer(name)(TEXTS), normalize=True)
        seen = torch.stack([transform(Image.fromarray(each)) for each in pictures])
        images = model.encode_image(seen, normalize=True)

    teacher = OpenClipTeacher.load(name, str(folder / WEIGHTS))

    torch.testing.assert_close(texts, teacher.texts(TEXTS), rtol=0, atol=1e-5)
    torch.testing.assert_close(images, teacher.images(pictures), rtol=0, atol=1e-5)
    assert model.logit_scale.exp().item() == pytest.approx(teacher.scale)


def test_a_bundle_teaches_what_it_says(tiny_bundle: Path, tiny: BundleTeacher) -> None:
    """Vectors and scale are the bundle's own."""
    bundle = Bundle.open(tiny_bundle)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)

    assert (bundle.embed_texts(TEXTS).vectors == tiny.texts(TEXTS).numpy()).all()
    assert (bundle.embed_images(pixels) == tiny.images(pixels).numpy()).all()
    assert bundle.manifest.logit_scale == tiny.scale


def test_a_teacher_is_never_trained(folder: Path, tiny: BundleTeacher, pictures: np.ndarray) -> None:
    """Its vectors have norm 1 and no gradient, and asking it changes nothing in it."""
    model = OpenClipTeacher.load(f"local-dir:{folder}", str(folder / WEIGHTS))
    teachers: list[Teacher] = [tiny, model]

    for teacher in teachers:
        for vectors in (teacher.texts(TEXTS), teacher.images(pictures)):
            assert not vectors.requires_grad
            torch.testing.assert_close(torch.ones(len(vectors)), vectors.norm(dim=1))
        assert torch.equal(teacher.texts(TEXTS), teacher.texts(TEXTS))
    assert not any(each.requires_grad for each in model._model.parameters())


def test_pictures_of_any_side_are_brought_to_the_teachers(tiny: BundleTeacher, pictures: np.ndarray) -> None:
    """A larger picture is scaled as the teacher's own preprocessing does; one of its size is taken as it is."""
    fitted = np.stack([prepare(Image.fromarray(each), tiny.preprocess) for each in pictures])

    assert torch.equal(tiny.images(fitted), tiny.images(pictures))
    assert tiny.preprocess.size == fitted.shape[1] != pictures.shape[1]


def test_clips_are_refused(tiny: BundleTeacher) -> None:
    """A teacher of pictures says so when it is shown clips."""
    with pytest.raises(ValueError, match=r"not \(2, 4, 32, 32, 3\): give it single frames"):
        tiny.images(np.zeros((2, 4, 32, 32, 3), np.uint8))


@given(st.lists(st.lists(st.integers(0, 600), max_size=8), max_size=6))
def test_memory_asks_once_and_answers_in_order(asks: list[list[int]]) -> None:
    """Whatever is asked for, in any order and more than once, each number is made once, and comes where it was asked."""
    memory, made = Memory(601), []

    def embed(numbers: np.ndarray) -> torch.Tensor:
        made.extend(numbers.tolist())
        return torch.from_numpy(numbers)[:, None] * torch.ones(1, 3)

    for ask in asks:
        found = memory.get(np.array(ask, np.int64), embed)
        assert not ask or ask == found[:, 2].tolist()

    assert sorted({number for ask in asks for number in ask}) == sorted(made)


def test_memory_asks_for_little_at_a_time() -> None:
    """A thousand missing vectors come in batches that a teacher can hold."""
    sizes: list[int] = []

    def embed(numbers: np.ndarray) -> torch.Tensor:
        sizes.append(len(numbers))
        return torch.zeros(len(numbers), 2)

    Memory(1000).get(np.arange(1000), embed)

    assert 1000 == sum(sizes)
    assert max(sizes) <= 256


def test_a_teacher_says_who_it_is(folder: Path, tiny: BundleTeacher, tiny_bundle: Path, tmp_path: Path) -> None:
    """A bundle's identity is its digest, a file's that of its bytes: other weights under the same name are another teacher."""
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    weights = safetensors.torch.load_file(copy / WEIGHTS)
    safetensors.torch.save_file({name: 0.5 * value for name, value in weights.items()}, copy / WEIGHTS)

    one, again, other = (
        OpenClipTeacher.load(f"local-dir:{each}", str(each / WEIGHTS)).identity for each in (folder, folder, copy)
    )

    assert Bundle.open(tiny_bundle).digest == tiny.identity
    assert one == again != other


def test_another_tokenizer_is_another_teacher(tmp_path: Path) -> None:
    """The same weights say something else of other ids: what was kept of the one is not the other's."""
    folder = make_folder("convnext", tmp_path / "model")
    before = OpenClipTeacher.load(f"local-dir:{folder}", str(folder / WEIGHTS)).identity
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    vocabulary = told["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(told))

    assert before != OpenClipTeacher.load(f"local-dir:{folder}", str(folder / WEIGHTS)).identity
