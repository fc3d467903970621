"""Models that another is taught by: a sealed bundle, run by ONNX Runtime, or an open_clip model. They are never trained."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tokenizers
import torch
from PIL import Image
from torch import nn

from models.bundle import Bundle
from models.image import prepare
from models.manifest import Preprocess
from models.pretrained.load import Loaded, load_open_clip
from models.text import Tokenizer
from models.training.features import image_features, text_features

# texts or pictures that a teacher embeds at once: it holds no gradients, and gains nothing from more
AT_ONCE = 256


class Teacher(Protocol):
    """A dual encoder that has learnt."""

    @property
    def scale(self) -> float:
        """Factor on its cosines."""
        ...

    @property
    def preprocess(self) -> Preprocess:
        """How it sees pictures: what `training.pairs` should be opened with for it."""
        ...

    @property
    def identity(self) -> str:
        """Changes with its weights, so far as they are known: what another one said is not taken for its own."""
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
        self.identity = bundle.digest

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
        tokenize: texts to ids [n, t].
        preprocess: how it sees pictures.
        device: where it computes.
        identity: see `Teacher`.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenize: Callable[[Sequence[str]], torch.Tensor],
        preprocess: Preprocess,
        device: torch.device | str = "cpu",
        *,
        identity: str = "",
    ) -> None:
        self._model = model.to(device).eval().requires_grad_(requires_grad=False)
        self._tokenize = tokenize
        self._device = device
        self.preprocess = preprocess
        self.identity = identity
        self.scale = float(model.logit_scale.exp())

    @classmethod
    def load(
        cls,
        architecture: str,
        pretrained: str,
        *,
        text_files: Path | None = None,
        like: str | None = None,
        device: torch.device | str = "cpu",
    ) -> "OpenClipTeacher":
        """A model of open_clip's with its weights; see `models.pretrained.load.load_open_clip`.

        Args:
            architecture: as there.
            pretrained: as there.
            text_files: as there.
            like: as there.
            device: where it computes.

        Raises:
            ExportError: it cannot be had.
        """
        loaded = load_open_clip(architecture, pretrained, text_files=text_files, like=like)
        tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(loaded.tokenizer_json.decode()), loaded.text)
        return cls(
            loaded.model,
            lambda texts: torch.from_numpy(tokenizer.encode(texts).ids),
            loaded.preprocess,
            device,
            identity=f"{loaded.architecture}, {loaded.source}, {_reading(loaded)}",
        )

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """See `Teacher`."""
        return text_features(self._model, self._tokenize(texts).to(self._device)).embedding.cpu()

    @torch.no_grad()
    def images(self, pixels: np.ndarray) -> torch.Tensor:
        """See `Teacher`."""
        fitted = torch.from_numpy(_fitted(pixels, self.preprocess)).to(self._device)
        mean, std = (torch.tensor(each, device=self._device) for each in (self.preprocess.mean, self.preprocess.std))
        channels = ((fitted.float() / 255 - mean) / std).permute(0, 3, 1, 2)
        return image_features(self._model, channels, ()).embedding.cpu()


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
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            made = embed(some)
            if self._vectors is None:
                self._vectors = torch.zeros(len(self._known), made.shape[1])
            self._vectors[some] = made
            self._known[some] = True
        return torch.zeros(0, 0) if self._vectors is None else self._vectors[numbers]


def _reading(loaded: Loaded) -> str:
    """Stands for how texts and pictures are read: the same weights say something else of other ids, or other pixels."""
    said = loaded.text.model_dump_json() + loaded.preprocess.model_dump_json()
    return hashlib.sha256(loaded.tokenizer_json + said.encode()).hexdigest()[:12]


def _fitted(pixels: np.ndarray, spec: Preprocess) -> np.ndarray:
    """Pictures (n, S, S, 3) at a teacher's own size."""
    if pixels.ndim != 4:
        raise ValueError(f"a teacher sees pictures (n, S, S, 3), not {pixels.shape}: give it single frames of clips")
    if pixels.shape[1:3] == (spec.size, spec.size):
        return np.ascontiguousarray(pixels)
    return np.stack([prepare(Image.fromarray(each), spec) for each in pixels])
