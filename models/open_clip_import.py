"""One way to import open_clip, on every build of torch."""

import importlib
import importlib.util
from types import ModuleType

import torch

_libraries: list[torch.library.Library] = []


def import_open_clip() -> ModuleType:
    """Import open_clip.

    PyPI's torchvision is built for CUDA; beside a CPU build of torch its import fails, because its own code registers
    shapes for two operators that its compiled part then does not bring. open_clip needs torchvision for transforms on
    PIL images only, so the two are declared, without a body, before it is imported.
    """
    if torch.version.cuda is None and not _libraries and importlib.util.find_spec("torchvision") is not None:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        # a library that is collected takes its operators with it
        _libraries.append(library)
    return importlib.import_module("open_clip")
