"""Where the pictures and captions of a recipe come from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.layouts import jsonl, karpathy, webdataset
from models.evaluation.layouts.files import Options
from models.manifest import Preprocess
from models.text import CleanMode, clean
from models.training.data import load_scenes
from models.training.pairs import Pairs
from models.training.parts import DataPart, PicturesPart
from models.training.pictures import open_pictures
from models.training.recipe import RecipeError

Split = Literal["train", "val", "test"]

_LOADERS = {"webdataset": webdataset.load, "jsonl": jsonl.load, "karpathy": karpathy.load}


def open_pairs(part: DataPart, split: Split, preprocess: Preprocess, cache: Path, cleaning: CleanMode) -> Pairs:
    """Open one split of a recipe's data, after rendering, checking or decoding it where that was not done yet.

    Args:
        part: the recipe's.
        split: which.
        preprocess: how pictures become the towers' input.
        cache: folder of what is kept between runs.
        cleaning: what the tokenizer's texts have been through; captions go through it once, here.

    Raises:
        RecipeError: files are missing or of another layout; the message says what is expected where.
    """
    if isinstance(part, PicturesPart):
        try:
            return open_pictures(entries(part, split, cleaning), preprocess, cache, cache=part.cache)
        except DatasetInvalid as error:
            raise RecipeError(f"data: {error} (in a recipe: data.path, data.images, data.skip_missing)") from error
    count = {"train": part.train, "val": part.val, "test": part.test}[split]
    # the captions of scenes are clean and lower case as they are made
    return load_scenes(cache, split, count, part.seed, preprocess.size)


def entries(part: PicturesPart, split: Split, cleaning: CleanMode) -> tuple[Entry, ...]:
    """The pictures of one split of the recipe, which may be several of the source's, their captions cleaned.

    Raises:
        DatasetInvalid: files are missing or of another layout.
    """
    names: Sequence[str] = {"train": part.train, "val": part.val, "test": part.test}[split]
    found = [_load(part, name) for name in names]
    return tuple(_cleaned(entry, cleaning) for each in found for entry in each.entries)


def _load(part: PicturesPart, name: str) -> Dataset:
    images = tuple(folder.expanduser() for folder in part.images)
    options = Options(split=name, images=images, captions=part.captions, skip_missing=part.skip_missing)
    return _LOADERS[part.source](part.path.expanduser(), options)


def _cleaned(entry: Entry, cleaning: CleanMode) -> Entry:
    captions = tuple(text for caption in entry.captions if (text := clean(caption, cleaning)))
    return replace(entry, captions=captions, labels=(), edits=())
