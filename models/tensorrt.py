"""TensorRT: what ONNX Runtime is told of it, and where the engines that it builds for a card are kept.

An engine takes minutes to build, and fits one kind of card, one version of TensorRT and one graph; ONNX Runtime names its file
after all of these but the weights. So engines lie in a folder of their bundle's digest.
"""

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import ModelError

FOLDER = "engines"
# the most rows in one run: an engine is built for no more
MOST_ROWS = 64
# what its kernels are chosen for
_USUAL_ROWS = 32
_USUAL_LENGTH = 16

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Engine:
    """One graph's engine.

    Attributes:
        folder: where it is kept.
        least: the smallest shape of each input.
        usual: which it is fastest at.
        most: the largest.
    """

    folder: Path
    least: Mapping[str, Shape]
    usual: Mapping[str, Shape]
    most: Mapping[str, Shape]

    def options(self, *, half: bool) -> dict[str, str]:
        """What ONNX Runtime's provider is told; *half*: the graph is in half precision, and may be computed in it."""
        return {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(self.folder),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(self.folder),
            "trt_fp16_enable": str(half),
            # without them an engine is built anew, for minutes, whenever a batch is larger than any before
            "trt_profile_min_shapes": _told(self.least),
            "trt_profile_opt_shapes": _told(self.usual),
            "trt_profile_max_shapes": _told(self.most),
        }

    @contextmanager
    def building(self) -> Generator[None]:
        """While it is built or read: of several processes one builds, the others wait and read.

        Raises:
            ModelError: the folder's file system gives no lock.
        """
        with ExitStack() as held:
            try:
                lock = held.enter_context((self.folder / "lock").open("wb"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                raise ModelError(
                    f"{self.folder} cannot be locked while TensorRT builds an engine in it ({error}): it must be writable, on a "
                    "disk that has room and takes locks; or choose the device cuda"
                ) from error
            yield


def image_engine(folder: Path, side: int) -> Engine:
    """Of a tower that takes pixels (n, S, S, 3)."""
    least, usual, most = ({"pixels": (rows, side, side, 3)} for rows in (1, _USUAL_ROWS, MOST_ROWS))
    return Engine(folder, least, usual, most)


def text_engine(folder: Path, context: int, *, causal: bool) -> Engine:
    """Of a tower that takes ids (n, l); one that is not causal always gets the whole context."""
    lengths = (1, min(_USUAL_LENGTH, context), context) if causal else (context,) * 3
    least, usual, most = (
        {"ids": (rows, length)} for rows, length in zip((1, _USUAL_ROWS, MOST_ROWS), lengths, strict=True)
    )
    return Engine(folder, least, usual, most)


def engine_folder(bundle: Path, digest: str, graph: str, home: Path | None = None) -> Path:
    """The folder of a graph's engines: in the bundle's, or in a cache beside the home where that cannot be written.

    A bundle's seal is of the files that its manifest names, and engines are none of them.

    Args:
        bundle: its folder.
        digest: of its manifest.
        graph: the graph's file name.
        home: of the user; found out where it is not told.

    Raises:
        ModelError: neither can be written.
    """
    places = (bundle / FOLDER, (home or Path.home()) / ".cache" / "vilem" / FOLDER)
    for place in places:
        folder = place / digest[:32] / graph.removesuffix(".onnx")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            # read-only, or somebody else's
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise ModelError(
        f"TensorRT builds engines for minutes, and neither {places[0]} nor {places[1]} can be written to keep them: make "
        "one writable, or choose the device cuda"
    )


def _told(shapes: Mapping[str, Shape]) -> str:
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
