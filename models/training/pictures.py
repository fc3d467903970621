"""Pictures on disk as pairs: each is read once before training, so that what is damaged is known before the first step.

With a cache what was decoded is kept, S x S x 3 bytes a picture, and read by memory map; without one pictures are read
again, at their offset in the file or shard, whenever they come.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from models.decode import decode
from models.errors import InputError
from models.evaluation.dataset import DatasetInvalid, Entry
from models.image import least_side, prepare
from models.manifest import Preprocess
from models.negatives.editor import Caption
from models.sealed import staged, write_atomically
from models.training.arrays import PixelArrays
from models.training.pairs import caption_of
from models.training.views import View, look_at_file

# damaged pictures that a message lists; the rest is a count
_NAMED = 5
# a task of one picture costs more to send than to do
_CHUNK = 32
# of this grey is a picture that was readable before training and no longer is
GREY = 128


class PicturesDamaged(UserWarning):
    """Some pictures cannot be read and are left out of training."""


@dataclass(frozen=True)
class KeptPictures(PixelArrays):
    """Pictures that are decoded already.

    Attributes:
        ids: N names.
    """

    ids: tuple[str, ...]


class Pictures:
    """Pictures that are decoded when they come; implements `models.training.pairs.Pairs`.

    Args:
        entries: the pictures and their captions.
        preprocess: how they become the towers' input.

    Attributes:
        captions: N tuples of texts.
        ids: N names.
    """

    def __init__(self, entries: Sequence[Entry], preprocess: Preprocess) -> None:
        self.ids = tuple(entry.id for entry in entries)
        self.captions = [entry.captions for entry in entries]
        self._entries = tuple(entries)
        self._preprocess = preprocess

    def __len__(self) -> int:
        return len(self._entries)

    def pixels(self, rows: np.ndarray, views: Sequence[View] | None = None) -> np.ndarray:
        """See `models.training.pairs.Pairs`; a picture that was damaged since it was checked is grey, with a warning."""
        seen = views or [View()] * len(rows)
        return np.stack([self._one(self._entries[row], view) for row, view in zip(rows, seen, strict=True)])

    def caption(self, row: int, choice: int) -> Caption:
        """One caption of a picture, with the others of the same picture."""
        return caption_of(self._entries[row].captions, choice)

    def _one(self, entry: Entry, view: View) -> np.ndarray:
        side = self._preprocess.size
        try:
            picture = decode(entry.read(), min_side=least_side(self._preprocess))
            return look_at_file(picture, view, self._preprocess)
        except (InputError, OSError) as error:
            # a run of days does not end for one picture
            warnings.warn(
                f"{entry.id} was readable before and is not now ({error}): a grey picture takes its place",
                PicturesDamaged,
                stacklevel=2,
            )
            return np.full((side, side, 3), GREY, np.uint8)


def read(entry: Entry, preprocess: Preprocess) -> np.ndarray:
    """Decode a whole picture to (S, S, 3) uint8.

    Raises:
        InputError: it is damaged.
        OSError: its file cannot be read.
    """
    return prepare(decode(entry.read(), min_side=least_side(preprocess)), preprocess)


def open_pictures(
    entries: Sequence[Entry], preprocess: Preprocess, work: Path, *, cache: bool, origin: Sequence[Path] = ()
) -> Pictures | KeptPictures:
    """Check all pictures, or decode them into a cache, unless that was done before.

    Args:
        entries: the pictures; those without captions are left out, and counted.
        preprocess: how they become the towers' input.
        work: folder of what is kept.
        cache: whether pixels are kept.
        origin: files and folders that the entries come from: from elsewhere, the same names are other pictures. A picture
            that changes there later, under its name, is not seen.

    Raises:
        DatasetInvalid: not one picture can be read.

    Warns:
        PicturesDamaged: some cannot be read, or have no caption; they are left out.
    """
    captioned = [entry for entry in entries if entry.captions]
    if len(captioned) < len(entries):
        unsaid = [entry.id for entry in entries if not entry.captions]
        more = f" and {len(unsaid) - _NAMED:,} more" if len(unsaid) > _NAMED else ""
        said = f"{len(unsaid):,} of {len(entries):,} pictures have no caption and are left out: {', '.join(unsaid[:_NAMED])}{more}"
        warnings.warn(said, PicturesDamaged, stacklevel=2)
    name = f"pictures-{_digest(captioned, preprocess, origin)}"
    if cache:
        images, faults = _cached(work / name, captioned, preprocess)
    else:
        images, faults = None, _checked(work / f"{name}.json", captioned, preprocess)
    good = tuple(entry for place, entry in enumerate(captioned) if place not in faults)
    if not good:
        raise DatasetInvalid(f"none of {len(captioned):,} pictures can be read: {_listed(captioned, faults)}")
    if faults:
        said = f"{len(faults):,} of {len(captioned):,} pictures cannot be read and are left out: {_listed(captioned, faults)}"
        warnings.warn(said, PicturesDamaged, stacklevel=2)
    if images is None:
        return Pictures(good, preprocess)
    return KeptPictures(images, [entry.captions for entry in good], tuple(entry.id for entry in good))


def _listed(entries: Sequence[Entry], faults: dict[int, str]) -> str:
    some = [f"{entries[place].id} ({fault})" for place, fault in list(faults.items())[:_NAMED]]
    return "; ".join(some) + (f"; and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else "")


def _checked(path: Path, entries: Sequence[Entry], preprocess: Preprocess) -> dict[int, str]:
    if not path.exists():
        faults = {place: fault for place, (_, fault) in enumerate(_decoded(entries, preprocess, _fault)) if fault}
        write_atomically(path, json.dumps(faults).encode())
    return {int(place): fault for place, fault in json.loads(path.read_bytes()).items()}


def _cached(folder: Path, entries: Sequence[Entry], preprocess: Preprocess) -> tuple[np.ndarray, dict[int, str]]:
    if not folder.exists():
        with staged(folder) as staging:
            _write(staging, entries, preprocess)
    faults = {int(place): fault for place, fault in json.loads((folder / "faults.json").read_bytes()).items()}
    return np.load(folder / "pixels.npy", mmap_mode="r")[: len(entries) - len(faults)], faults


def _write(folder: Path, entries: Sequence[Entry], preprocess: Preprocess) -> None:
    side, faults, row = preprocess.size, dict[int, str](), 0
    images = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, (len(entries), side, side, 3))
    for place, (pixels, fault) in enumerate(_decoded(entries, preprocess, _pixels)):
        if pixels is None:
            faults[place] = fault
        else:
            images[row] = pixels
            row += 1
    images.flush()
    (folder / "faults.json").write_text(json.dumps(faults))


_Result = tuple[np.ndarray | None, str]


def _decoded(
    entries: Sequence[Entry], preprocess: Preprocess, task: Callable[[tuple[Entry, Preprocess]], _Result]
) -> Iterator[_Result]:
    tasks = ((entry, preprocess) for entry in entries)
    if len(entries) <= _CHUNK:
        yield from map(task, tasks)
        return
    # spawn: torch's threads do not survive a fork
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap(task, tasks, chunksize=_CHUNK)


def _pixels(task: tuple[Entry, Preprocess]) -> _Result:
    try:
        return read(*task), ""
    except (InputError, OSError) as error:
        return None, str(error)


def _fault(task: tuple[Entry, Preprocess]) -> _Result:
    return None, _pixels(task)[1]


def _digest(entries: Sequence[Entry], preprocess: Preprocess, origin: Sequence[Path]) -> str:
    places = [str(path.expanduser().resolve()) for path in origin]
    said = json.dumps(
        [
            preprocess.model_dump_json(),
            least_side(preprocess),
            places,
            *([entry.id, entry.captions] for entry in entries),
        ]
    )
    return hashlib.sha256(said.encode()).hexdigest()[:16]
