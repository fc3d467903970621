"""What the files that a recipe names hold: another language model under the same path is another run."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from models.errors import BundleMissing
from models.manifest import MANIFEST_NAME
from models.negatives.masked_lm import CONFIG_NAME
from models.pretrained.architecture import FOLDER_PREFIX
from models.pretrained.weights import SUFFIXES
from models.sealed import seal_files, sha256_of
from models.training.lessons import teacher_bundle
from models.training.parts import EditsPart, ModelPart, TeacherPart
from models.training.recipe import Recipe


def contents(recipe: Recipe) -> dict[str, str]:
    """SHA-256 (hex), by field, of the models that a recipe names by their files.

    Of a sealed folder it is that of its manifest, which lists the digests of the other files and is compared with them when
    the folder is opened. What a name on a hub stands for is not known here, and training data have a digest of their own.
    What is missing is left out: whoever opens it says so.
    """
    return {field: _digest(path) for field, path in _named(recipe) if path.exists()}


def _named(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    yield from _of_edits("edits", recipe.edits)
    if recipe.proofreading is not None and recipe.proofreading.alone is not None:
        yield from _of_edits("proofreading.alone.edits", recipe.proofreading.alone.edits)
    if recipe.model is not None:
        yield from _of_open_clip("model", recipe.model)
    if recipe.teacher is not None:
        yield from _of_open_clip("teacher", recipe.teacher)
        yield from _of_bundle(recipe.teacher)


def _of_edits(name: str, part: EditsPart | None) -> Iterator[tuple[str, Path]]:
    if part is not None and part.masked_lm is not None:
        yield f"{name}.masked_lm", part.masked_lm.expanduser() / CONFIG_NAME
    if part is not None and part.hugging_face is not None:
        yield f"{name}.hugging_face", Path(part.hugging_face).expanduser()


def _of_open_clip(name: str, part: ModelPart | TeacherPart) -> Iterator[tuple[str, Path]]:
    architecture = part.open_clip or ""
    if architecture.startswith(FOLDER_PREFIX) or architecture.endswith(".json"):
        yield f"{name}.open_clip", Path(architecture.removeprefix(FOLDER_PREFIX))
    if Path(part.pretrained or "").suffix in SUFFIXES:
        yield f"{name}.pretrained", Path(part.pretrained or "")
    if part.text_files is not None:
        yield f"{name}.text_files", part.text_files


def _of_bundle(part: TeacherPart) -> Iterator[tuple[str, Path]]:
    if part.bundle is not None:
        try:
            yield "teacher.bundle", teacher_bundle(part.bundle) / MANIFEST_NAME
        except BundleMissing:
            return


def _digest(path: Path) -> str:
    if path.is_file():
        return sha256_of(path)
    seals = seal_files(path)
    return sha256(repr([(name, seal.sha256) for name, seal in sorted(seals.items())]).encode()).hexdigest()
