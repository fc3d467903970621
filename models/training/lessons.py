"""What a teacher says of every pair of a corpus, asked once, before the first step.

So the teacher costs a run one pass over the data, whatever the number of epochs and processes; and a run that was stopped
goes on with the very vectors that it had, which an answer to another batch would not be to the last bit.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from models.bundle import BUILT_IN, Bundle, find_bundle
from models.errors import BundleError, ExportError
from models.sealed import FileSeal, SealBroken, seal_files, staged, verify
from models.training.distill import Lesson, Taught
from models.training.pairs import Pairs
from models.training.parts import TeacherPart
from models.training.recipe import RecipeError
from models.training.teachers import AT_ONCE, BundleTeacher, OpenClipTeacher, Teacher

_IMAGES, _TEXTS, _MANIFEST = "images.npy", "texts.npy", "lessons.json"


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float
    files: dict[str, FileSeal]


class Lessons:
    """A teacher's vectors of N pictures and their captions, on disk: 4 d bytes for each picture and each caption.

    The teacher saw each picture whole, whatever view of it the student gets.

    Args:
        folder: that `ask` wrote.
        captions: of the N pictures.
        part: weight and temperature.

    Raises:
        RecipeError: the folder's files are not what was written.
    """

    def __init__(self, folder: Path, captions: Sequence[tuple[str, ...]], part: TeacherPart) -> None:
        try:
            manifest = _Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
            verify(folder, manifest.files)
        except (OSError, ValidationError, SealBroken) as error:
            raise RecipeError(
                f"teacher: what it said is damaged ({error}): remove {folder}, it is asked again"
            ) from error
        counts = np.array([len(texts) for texts in captions], np.int64)
        self._first = np.cumsum(counts) - counts
        self._images, self._texts = (np.load(folder / name, mmap_mode="r") for name in (_IMAGES, _TEXTS))
        self._scale = manifest.scale
        self._part = part

    def of(self, rows: torch.Tensor, choices: torch.Tensor) -> Lesson:
        """What the teacher says of a batch, on the batch's device.

        Args:
            rows: [b] pictures.
            choices: [b] which caption of each.
        """
        pictures = rows.cpu().numpy()
        images, texts = self._images[pictures], self._texts[self._first[pictures] + choices.cpu().numpy()]
        taught = Taught(*(torch.from_numpy(each).to(rows.device) for each in (images, texts)), self._scale)
        return Lesson(taught, self._part.weight, self._part.temperature)


def open_teacher(part: TeacherPart, device: torch.device) -> Teacher:
    """Load the teacher of a recipe.

    Args:
        part: the recipe's.
        device: where a model of open_clip's computes.

    Raises:
        RecipeError: it cannot be had.
    """
    try:
        if part.bundle is not None:
            return BundleTeacher(Bundle.open(teacher_bundle(part.bundle)))
        return OpenClipTeacher.load(
            part.open_clip or "", part.pretrained or "", text_files=part.text_files, like=part.like, device=device
        )
    except (BundleError, ExportError) as error:
        raise RecipeError(f"teacher: {error}") from error


def teacher_bundle(reference: Path) -> Path:
    """The folder of a bundle, given as such, or by the name of one that ships with the code.

    Raises:
        BundleMissing: there is none.
    """
    return find_bundle(reference.expanduser(), BUILT_IN.parent)


def ask(teacher: Teacher, pairs: Pairs, folder: Path) -> None:
    """Let a teacher speak of every picture and caption, unless it did so before.

    Args:
        teacher: who speaks.
        pairs: the corpus, opened as the teacher sees pictures.
        folder: where its words are kept.
    """
    if folder.exists():
        return
    texts = [text for captions in pairs.captions for text in captions]
    with staged(folder) as staging:
        _write(staging / _IMAGES, len(pairs), lambda rows: teacher.images(pairs.pixels(rows)))
        _write(staging / _TEXTS, len(texts), lambda rows: teacher.texts([texts[row] for row in rows]))
        manifest = _Manifest(scale=teacher.scale, files=seal_files(staging))
        (staging / _MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")


def lessons_name(teacher: Teacher, data: str) -> str:
    """Of the folder: changes with the teacher, and with *data*, which says what pictures and captions it saw."""
    said = json.dumps([teacher.identity, teacher.preprocess.model_dump_json(), data])
    return f"lessons-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _write(path: Path, count: int, embed: Callable[[np.ndarray], torch.Tensor]) -> None:
    vectors: np.ndarray | None = None
    for rows in _parts(count):
        made = embed(rows).numpy()
        if vectors is None:
            vectors = np.lib.format.open_memmap(path, "w+", np.float32, (count, made.shape[1]))
        vectors[rows] = made
    assert vectors is not None
    vectors.flush()


def _parts(count: int) -> Iterator[np.ndarray]:
    return (np.arange(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE))
