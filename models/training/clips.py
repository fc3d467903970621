"""Clips as pairs: of each so many frames, one from each of as many equal segments; drawn when there are views.

The frames of a clip share a view: what is cut off one of them is cut off all. Which are drawn is part of the view too, so
a batch follows from its number whatever makes it.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.errors import InputError
from models.evaluation.dataset import DatasetInvalid, Entry
from models.manifest import Preprocess
from models.negatives.editor import Caption
from models.scenes.clips import FRAMES, clip_example
from models.scenes.grammar import Split
from models.training.data import Example, Task, load_rendered
from models.training.pairs import caption_of
from models.training.pictures import GREY, PicturesDamaged
from models.training.views import View, look, look_at_file
from models.video.sampling import central_positions, random_positions


@dataclass(frozen=True)
class ClipArrays:
    """Clips that are decoded already; implements `models.training.pairs.Pairs`.

    Attributes:
        clips: (N, T, S, S, 3) uint8, memory-mapped.
        captions: N tuples of texts.
        held_back: (N,) bool, clips with a combination that training never shows.
        frames: F, how many of the T frames a batch has.
    """

    clips: np.ndarray
    captions: list[tuple[str, ...]]
    held_back: np.ndarray
    frames: int

    def __len__(self) -> int:
        return len(self.captions)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """See `models.training.pairs.Pairs`: (n, F, S, S, 3)."""
        seen = [View()] * len(rows) if views is None else views
        return np.stack([self._one(int(row), view) for row, view in zip(rows, seen, strict=True)])

    def caption(self, row: int, choice: int) -> Caption:
        """One caption of a clip, with the others of the same clip."""
        return caption_of(self.captions[row], choice)

    def _one(self, row: int, view: View) -> np.ndarray:
        count = self.clips.shape[1]
        rng = _moment(view)
        positions = central_positions(count, self.frames) if rng is None else random_positions(count, self.frames, rng)
        return np.stack([look(Image.fromarray(frame), view, frame.shape[0]) for frame in self.clips[row, positions]])


class ClipFiles:
    """Clips that are decoded when they come; implements `models.training.pairs.Pairs`.

    Args:
        entries: the clips, whose `read` gives a video file, and their captions; those without are passed over.
        preprocess: how frames become the towers' input.
        frames: F, how many a batch has of each clip.

    Attributes:
        captions: N tuples of texts.
        ids: of the N clips, as the source names them.

    Raises:
        DatasetInvalid: no clip has a caption.
    """

    def __init__(self, entries: Sequence[Entry], preprocess: Preprocess, frames: int) -> None:
        self._entries = tuple(entry for entry in entries if entry.captions)
        if not self._entries:
            raise DatasetInvalid("there is no video with a caption to train on: name another split")
        self.captions = [entry.captions for entry in self._entries]
        self.ids = [entry.id for entry in self._entries]
        self._preprocess = preprocess
        self._frames = frames

    def __len__(self) -> int:
        return len(self._entries)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """See `models.training.pairs.Pairs`: (n, F, S, S, 3); a clip that cannot be read is grey, with a warning."""
        seen = [View()] * len(rows) if views is None else views
        return np.stack([self._one(self._entries[row], view) for row, view in zip(rows, seen, strict=True)])

    def caption(self, row: int, choice: int) -> Caption:
        """One caption of a clip, with the others of the same clip."""
        return caption_of(self.captions[row], choice)

    def _one(self, entry: Entry, view: View) -> np.ndarray:
        # FFmpeg is needed where files are decoded, and not for rendered clips
        from models.video.pixels import clip_frames

        side = self._preprocess.size
        try:
            frames = clip_frames(entry.read(), self._frames, _moment(view))
            return np.stack([look_at_file(image, view, self._preprocess) for image in frames])
        except (InputError, OSError) as error:
            # a run of days does not end for one clip
            said = f"{entry.id} cannot be read ({error}): grey frames take its place"
            warnings.warn(said, PicturesDamaged, stacklevel=2)
            return np.full((self._frames, side, side, 3), GREY, np.uint8)


def load_clips(cache: Path, split: Split, count: int, seed: int, size: int, frames: int) -> ClipArrays:
    """Read a split of rendered clips from *cache*, after rendering it there if it is missing; *frames* are shown."""
    tasks = [(split, number, seed, size) for number in range(count)]
    name = f"clips-{split}-{seed}-{count}-{size}"
    return ClipArrays(*load_rendered(cache, name, (FRAMES, size, size, 3), _one, tasks), frames)


def any_moment(caption: str, rng: np.random.Generator) -> View:
    """The whole picture beside any *caption*, at moments that *rng* draws: for clips where a recipe augments nothing."""
    return View(moment=float(rng.random()))


def _moment(view: View) -> np.random.Generator | None:
    # one lot for the view, one of its own for each segment
    return None if view.moment is None else np.random.default_rng(int(view.moment * 2**53))


def _one(task: Task) -> Example:
    made = clip_example(*task)
    return made.frames, made.captions, made.scene.held_back
