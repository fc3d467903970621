"""Text→video and video→text retrieval of a bundle that knows pictures: frames are embedded, and pooled to clips.

Frames take the way of every picture (`models.image`, the bundle's graph), so a bundle needs nothing new. With the mean a
clip is one vector, and everything that holds of pictures holds of clips. With attention a clip has another vector for
every text, and what is kept of a text is its score with every clip: its coordinates, when each clip is an axis. The same
ranks, examples and comparisons are then made of those.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from models.bundle import Bundle, TextEmbeddings
from models.errors import InputError
from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.embed import Embedded, embed
from models.evaluation.measure import reported
from models.evaluation.report import ModelTag, Report
from models.video.decode import open_clip
from models.video.limits import VideoLimits
from models.video.pixels import clip_pixels
from models.video.pooling import attention_scores, mean_pool
from models.video.sampling import central_positions

Pool = Literal["mean", "attention"]

# clips read and embedded at a time: at 8 frames as many pictures as elsewhere
_BATCH = 8
# a poster shows so many frames, two beside each other
_POSTER = 4
_POSTER_SIDE = 120


@dataclass(frozen=True)
class FramePooling:
    """How a clip is seen.

    Attributes:
        frames: F, how many frames stand for it, each from the middle of one of F equal segments.
        pool: the mean of their vectors, or attention of each text to them.
        temperature: of attention, see `models.video.pooling.attention_scores`.
        limits: of what a file may cost.
    """

    frames: int = 8
    pool: Pool = "mean"
    temperature: float = 0.1
    limits: VideoLimits = VideoLimits()

    def __str__(self) -> str:
        """As a report's variant has it."""
        said = f"{self.frames} frames, {self.pool}"
        return said if self.pool == "mean" else f"{said} at {self.temperature:g}"


class ClipEmbedder:
    """A bundle that takes video files where it took pictures; an `models.evaluation.embed.Embedder`."""

    def __init__(self, bundle: Bundle, how: FramePooling) -> None:
        self.manifest = bundle.manifest
        self._bundle = bundle
        self._how = how

    def prepare(self, data: bytes) -> np.ndarray:
        """(F, S, S, 3) uint8 frames of a video file.

        Raises:
            VideoTooLarge, VideoUnreadable: see `models.video.pixels.clip_pixels`.
        """
        return clip_pixels(data, self.manifest.preprocess, self._how.frames, limits=self._how.limits)

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed clips (N, F, S, S, 3): (N, d) means, or (N, F x d), a clip's frames one after the other."""
        vectors = self._bundle.embed_images(pixels.reshape(-1, *pixels.shape[2:]))
        frames = vectors.reshape(len(pixels), -1, vectors.shape[1])  # (N, F, d)
        return mean_pool(frames) if self._how.pool == "mean" else frames.reshape(len(pixels), -1)

    def embed_texts(self, texts: Sequence[str]) -> TextEmbeddings:
        """As the bundle does."""
        return self._bundle.embed_texts(texts)


def measure_clips(
    bundle: Bundle,
    data: Dataset,
    how: FramePooling,
    *,
    variant: str = "fp32",
    progress: Iterable[Entry] | None = None,
) -> Report:
    """Embed a data set of videos and measure it; true captions are compared with false ones where there are any.

    Args:
        bundle: the model.
        data: the videos and texts.
        how: frames and pooling.
        variant: the precision that the bundle was opened in; with *how* it is the variant of the report.
        progress: the same entries, wrapped so that somebody sees them pass.

    Raises:
        DatasetInvalid: a video is damaged or too large; the message names it.
    """
    edits = any(entry.edits for entry in data.entries)
    entries = progress if progress is not None else data.entries
    found = embed(ClipEmbedder(bundle, how), entries, edits=edits, batch=_BATCH)
    if how.pool == "attention":
        found = attended(found, how.frames, how.temperature)
    model = ModelTag(name=bundle.manifest.name, digest=bundle.digest, variant=f"{variant}, {how}")
    return reported(found, data, model, edits=edits)


def attended(found: Embedded, frames: int, temperature: float) -> Embedded:
    """Put clips on axes of their own and texts at their attention scores, so that a text's product with a clip is that.

    Args:
        found: N clips whose vectors are their frames', one after the other: (N, F x d).
        frames: F.
        temperature: of attention.

    Returns:
        The same with (N, N) clips, (M, N) texts and (E, N) edits; at 1k-A's thousand clips 4 MB for the clips and as
        much for each thousand texts.
    """
    clips = found.images.reshape(len(found.images), frames, -1)
    texts = attention_scores(found.texts, clips, temperature)
    false = replace(found.edits, vectors=attention_scores(found.edits.vectors, clips, temperature))
    return replace(found, images=np.eye(len(clips), dtype=np.float32), texts=texts, edits=false)


def posters(data: Dataset, limits: VideoLimits = VideoLimits()) -> Dataset:
    """The data set with a picture for each video, for a page that shows pictures: four of its frames, in reading order."""
    return replace(data, entries=tuple(replace(each, read=_Poster(each, limits)) for each in data.entries))


@dataclass(frozen=True)
class _Poster:
    entry: Entry
    limits: VideoLimits

    def __call__(self) -> bytes:
        try:
            with open_clip(self.entry.read(), self.limits) as clip:
                shown = [_thumbnail(image) for image in clip.read(central_positions(clip.count, _POSTER))]
        except InputError as error:
            raise DatasetInvalid(f"video {self.entry.id!r}: {error}") from error
        width, height = shown[0].size
        sheet = Image.new("RGB", (2 * width, 2 * height))
        for place, image in enumerate(shown):
            sheet.paste(image, (place % 2 * width, place // 2 * height))
        file = io.BytesIO()
        sheet.save(file, "PNG")
        return file.getvalue()


def _thumbnail(image: Image.Image) -> Image.Image:
    image.thumbnail((_POSTER_SIDE, _POSTER_SIDE))
    return image
