"""open_clip as the reference for preprocessing and tokens; loads torch, so only tests that compare import it."""

from types import ModuleType

import numpy as np
from PIL import Image

from models.manifest import Preprocess
from models.open_clip_import import import_open_clip


def open_clip() -> ModuleType:
    """The package, imported as training and export import it."""
    return import_open_clip()


def reference_pixels(image: Image.Image, spec: Preprocess) -> np.ndarray:
    """(S, S, 3) uint8 of open_clip's evaluation transform, before the conversion to numbers and the normalisation."""
    package = open_clip()
    compose = package.transform.image_transform(
        spec.size,
        is_train=False,
        mean=spec.mean,
        std=spec.std,
        resize_mode=spec.resize,
        interpolation=spec.interpolation,
    )
    for step in compose.transforms:
        if type(step).__name__ in ("MaybeToTensor", "Normalize"):
            continue
        image = step(image)
    return np.asarray(image)
