"""Fine-grained pools: MSCOCO-FG and Flickr30K-FG (Chen, Yao and Jin, SIGIR 2023), and anything of that layout.

As published in github.com/cwj1412/MSCOCO-Flikcr30K_FG: texts in `Annotations/NAME_FG_ann.json`, an object of a
picture's name without suffix to its renovated captions, and `Images/NAME_FG_img_filenames.npy`, the names of all
pictures of the enlarged pool. The pictures themselves are COCO's (val2014, unlabeled2017) and Flickr30K's: name their
folders with `--images`, once for each.

Pictures of the pool without texts are searched among and never asked for.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np

from models.evaluation.dataset import Dataset, DatasetInvalid
from models.evaluation.layouts.files import Options, dataset_of, entry_of, find_image, image_folders, read_json

LAYOUT = "fine-grained"
EXPECTED = 'fine-grained annotations, {"PICTURE": ["caption", …], …}, a picture\'s name with or without .jpg'
POOL_EXPECTED = "names of pictures: a .txt with one on each line, a .json list, or a .npy of strings"


def load(source: Path, options: Options) -> Dataset:
    """Read the annotated pictures and the pool.

    Args:
        source: the annotations, or a folder with one `Annotations/*_ann.json` and one `Images/*_filenames.npy`.
        options: `images` for the folders of pictures, `pool` for the list where it is not beside the annotations.

    Raises:
        DatasetInvalid: a file is missing or is something else, or pictures are missing.
    """
    annotations = _only(source, "Annotations/*_ann.json") if source.is_dir() else source
    listed = _only(source, "Images/*_filenames.npy") if source.is_dir() and not options.pool else options.pool
    texts = {
        _stem(name): tuple(found) for name, found in read_json(annotations, dict[str, list[str]], EXPECTED).items()
    }
    names = read_pool(listed) if listed else []
    folders = image_folders(options, annotations)
    pool = dict.fromkeys([*texts, *map(_stem, names)])
    found = [entry_of(_path(folders, stem), stem, texts.get(stem, ())) for stem in pool]
    return dataset_of(found, source, LAYOUT, options)


def read_pool(path: Path) -> list[str]:
    """The names that a file lists.

    Raises:
        DatasetInvalid: no such file, or it holds something else.
    """
    if path.suffix == ".json":
        return read_json(path, list[str], POOL_EXPECTED)
    if not path.is_file():
        raise DatasetInvalid(f"{path} is missing: expected {POOL_EXPECTED}")
    if path.suffix != ".npy":
        # a name may have blanks
        return [name for line in path.read_text(encoding="utf-8").splitlines() if (name := line.strip())]
    try:
        # never unpickled: an array of Python objects could run whatever its maker liked
        found = cast("Iterable[object]", np.load(path, allow_pickle=False).ravel().tolist())
    except (ValueError, OSError, EOFError) as error:
        raise DatasetInvalid(f"{path} cannot be read ({error}): expected {POOL_EXPECTED}") from error
    return [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in found]


def _stem(name: str) -> str:
    """A picture's name without its suffix."""
    return name.removesuffix(".jpg")


def _path(folders: tuple[Path, ...], stem: str) -> Path:
    return find_image(folders, f"{stem}.jpg", f"{stem}.png")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DatasetInvalid(f"expected one {pattern} in {folder}, found {names}: name the file itself (and --pool)")
    return found[0]
