"""Models that another is taught by: a sealed bundle, run by ONNX Runtime, or an open_clip model. They are never trained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import nn

from models.bundle import Bundle
from models.image import prepare
from models.manifest import Preprocess
from models.open_clip_import import import_open_clip
from models.training.features import image_features, text_features
from models.training.pairs import Pairs

# texts or pictures that a teacher embeds at once: it holds no gradients, and gains nothing from more
_AT_ONCE = 256


class Teacher(Protocol):
    """A dual encoder that has learnt."""

    @property
    def scale(self) -> float:
        """Factor on its cosines."""
        ...

    @property
    def preprocess(self) -> Preprocess:
        """How it sees pictures; its `size` is what `training.pairs` should be opened with for it."""
        ...

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed n texts: [n, d] float32 unit vectors on the CPU, without gradient."""
        ...

    def images(self, pixels: np.ndarray) -> torch.Tensor:
        """Embed (n, S, S, 3) uint8 pictures of any side S: [n, d] likewise."""
        ...


class BundleTeacher:
    """A sealed bundle as a teacher.

    Args:
        bundle: opened, in any precision.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.scale = bundle.manifest.logit_scale
        self.preprocess = bundle.manifest.preprocess

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """See `Teacher`."""
        return torch.from_numpy(self._bundle.embed_texts(texts).vectors)

    def images(self, pixels: np.ndarray) -> torch.Tensor:
        """See `Teacher`."""
        return torch.from_numpy(self._bundle.embed_images(_fitted(pixels, self.preprocess)))


class OpenClipTeacher:
    """An open_clip model as a teacher.

    Args:
        model: it is put into evaluation mode, and its weights no longer ask for gradients.
        tokenize: texts to ids [n, t]; open_clip's tokenizers are such.
        preprocess: how it sees pictures.
        device: where it computes.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenize: Callable[[list[str]], torch.Tensor],
        preprocess: Preprocess,
        device: torch.device | str = "cpu",
    ) -> None:
        self._model = model.to(device).eval().requires_grad_(requires_grad=False)
        self._tokenize = tokenize
        self._device = device
        self.preprocess = preprocess
        self.scale = float(model.logit_scale.exp())

    @classmethod
    def load(
        cls, architecture: str, pretrained: str | None = None, device: torch.device | str = "cpu"
    ) -> "OpenClipTeacher":
        """The model that open_clip knows by that name, or `local-dir:FOLDER`.

        Args:
            architecture: open_clip's name of it.
            pretrained: its tag of the weights, or their file; a folder holds its own.
            device: where it computes.
        """
        open_clip = import_open_clip()
        model = open_clip.create_model(architecture, pretrained=pretrained)
        config = model.visual.preprocess_cfg
        size = config["size"] if isinstance(config["size"], int) else config["size"][0]
        preprocess = Preprocess(
            size=size,
            resize=config["resize_mode"],
            interpolation=config["interpolation"],
            mean=config["mean"],
            std=config["std"],
        )
        return cls(model, open_clip.get_tokenizer(architecture), preprocess, device)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """See `Teacher`."""
        return text_features(self._model, self._tokenize(list(texts)).to(self._device)).embedding.cpu()

    @torch.no_grad()
    def images(self, pixels: np.ndarray) -> torch.Tensor:
        """See `Teacher`."""
        fitted = torch.from_numpy(_fitted(pixels, self.preprocess)).to(self._device)
        mean, std = (torch.tensor(each, device=self._device) for each in (self.preprocess.mean, self.preprocess.std))
        channels = ((fitted.float() / 255 - mean) / std).permute(0, 3, 1, 2)
        return image_features(self._model, channels, ()).embedding.cpu()


@dataclass(frozen=True)
class Taught:
    """What a teacher says of b pairs: unit vectors [b, d] of images and texts, and the factor on their cosines."""

    images: torch.Tensor
    texts: torch.Tensor
    scale: float


class Memory:
    """N vectors, each computed when it is first asked for.

    Args:
        count: N.
    """

    def __init__(self, count: int) -> None:
        self._known = np.zeros(count, bool)
        self._vectors: torch.Tensor | None = None

    def get(self, numbers: np.ndarray, embed: Callable[[np.ndarray], torch.Tensor]) -> torch.Tensor:
        """Vectors [n, d] of *numbers* (n,); *embed* makes those that are missing, some of them at a time."""
        missing = np.unique(numbers[~self._known[numbers]])
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            made = embed(some)
            if self._vectors is None:
                self._vectors = torch.zeros(len(self._known), made.shape[1])
            self._vectors[some] = made
            self._known[some] = True
        return torch.zeros(0, 0) if self._vectors is None else self._vectors[numbers]


class Lessons:
    """A teacher's words on each pair of a corpus, asked once: 4 d bytes for each picture and each caption.

    The teacher sees a picture whole, whatever view of it the student gets.

    Args:
        teacher: who speaks.
        pairs: the corpus that the student learns, best opened at the teacher's own size.
    """

    def __init__(self, teacher: Teacher, pairs: Pairs) -> None:
        counts = np.array([len(texts) for texts in pairs.captions], np.int64)
        self._teacher = teacher
        self._pairs = pairs
        self._first = np.cumsum(counts) - counts
        self._captions = [text for texts in pairs.captions for text in texts]
        self._images, self._texts = Memory(len(pairs)), Memory(len(self._captions))

    def of(self, rows: torch.Tensor, choices: torch.Tensor) -> Taught:
        """What the teacher says of a batch, on the batch's device.

        Args:
            rows: [b] pictures.
            choices: [b] which caption of each.
        """
        pictures = rows.cpu().numpy()
        images = self._images.get(pictures, lambda some: self._teacher.images(self._pairs.pixels(some)))
        texts = self._texts.get(
            self._first[pictures] + choices.cpu().numpy(),
            lambda some: self._teacher.texts([self._captions[number] for number in some]),
        )
        return Taught(images.to(rows.device), texts.to(rows.device), self._teacher.scale)


def _fitted(pixels: np.ndarray, spec: Preprocess) -> np.ndarray:
    """Pictures (n, S, S, 3) at a teacher's own size."""
    if pixels.ndim != 4:
        raise ValueError(f"a teacher sees pictures (n, S, S, 3), not {pixels.shape}: give it single frames of clips")
    if pixels.shape[1:3] == (spec.size, spec.size):
        return np.ascontiguousarray(pixels)
    return np.stack([prepare(Image.fromarray(each), spec) for each in pixels])
