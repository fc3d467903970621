"""Where the pictures and captions of a recipe come from."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.layouts import jsonl, karpathy, msrvtt, webdataset
from models.evaluation.layouts.files import Options
from models.manifest import Preprocess
from models.text import CleanMode, clean
from models.training.clips import ClipFiles, load_clips
from models.training.data import load_scenes
from models.training.pairs import Pairs
from models.training.parts import ClipsPart, DataPart, PicturesPart, RenderedPart, VideosPart
from models.training.pictures import KeptPictures, Pictures, open_pictures
from models.training.recipe import RecipeError

Split = Literal["train", "val", "test"]

_LOADERS = {
    "webdataset": webdataset.load,
    "jsonl": jsonl.load,
    "karpathy": karpathy.load,
    "msr-vtt": msrvtt.load,
}

# what layouts say to those who evaluate, in the words of a recipe
_OURS = {
    "--images": "data.images",
    "--videos": "data.images",
    "--skip-missing": "data.skip_missing = true",
    "none on any line": (
        'none on any line: write "split" into each, or take as data.path a folder with a file train.jsonl, val.jsonl, '
        "test.jsonl for each split"
    ),
}


def open_pairs(part: DataPart, split: Split, preprocess: Preprocess, cache: Path, cleaning: CleanMode) -> Pairs:
    """Open one split of a recipe's data, after rendering, checking or decoding it where that was not done yet.

    Args:
        part: the recipe's.
        split: which.
        preprocess: how pictures become the towers' input.
        cache: folder of what is kept between runs.
        cleaning: what the tokenizer's texts have been through; captions go through it once, here.

    Raises:
        RecipeError: files are missing or of another layout; the message says what is expected where, and which fields say so.
    """
    if isinstance(part, RenderedPart):
        count = {"train": part.train, "val": part.val, "test": part.test}[split]
        # the captions of scenes are clean and lower case as they are made
        if isinstance(part, ClipsPart):
            return load_clips(cache, split, count, part.seed, preprocess.size, part.frames)
        return load_scenes(cache, split, count, part.seed, preprocess.size)
    try:
        found = entries(part, split, cleaning)
        if isinstance(part, VideosPart):
            _see_that_videos_are_read()
            return ClipFiles(found, preprocess, part.frames)
        return open_pictures(found, preprocess, cache, cache=part.cache, origin=(part.path, *part.images))
    except DatasetInvalid as error:
        raise RecipeError(_in_a_recipe(part, split, str(error))) from error


def data_digest(part: DataPart, pairs: Pairs) -> str:
    """SHA-256 of what is trained on, and of nothing else: where it lies, and how many workers read it, change nothing.

    Args:
        part: the recipe's.
        pairs: its training split, opened: files count by their names and captions, those that are left out do not.
    """
    said: list[object]
    if isinstance(part, RenderedPart):
        # and what this release makes of that
        said = [part.source, "train", part.train, part.seed, *pairs.captions]
    else:
        # names are the layout's, whether pixels are kept or not
        assert isinstance(pairs, Pictures | KeptPictures | ClipFiles)
        said = ["pictures", *zip(pairs.ids, pairs.captions, strict=True)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def entries(part: PicturesPart | VideosPart, split: Split, cleaning: CleanMode) -> tuple[Entry, ...]:
    """The files of one split of the recipe, which may be several of the source's, their captions cleaned.

    Raises:
        DatasetInvalid: files are missing or of another layout.
    """
    names = _names(part, split)
    # of shards a name is how their files' names begin
    begins = str.startswith if part.source == "webdataset" else str.__eq__
    twice = [
        (one, other)
        for place, one in enumerate(names)
        for other in names[place + 1 :]
        if begins(one, other) or begins(other, one)
    ]
    if twice:
        one, other = twice[0]
        raise DatasetInvalid(
            f"{one!r} and {other!r} name the same pictures, which would stand in one batch as each other's negatives: name each once"
        )
    found = [_load(part, name) for name in names]
    return tuple(_cleaned(entry, cleaning) for each in found for entry in each.entries)


def _load(part: PicturesPart | VideosPart, name: str) -> Dataset:
    images = tuple(folder.expanduser() for folder in part.images)
    options = Options(split=name, images=images, captions=part.captions, skip_missing=part.skip_missing)
    path = part.path.expanduser()
    if part.source == "jsonl" and path.is_dir():
        # a file for each split, as `vilem scenes make` writes them, says nothing of splits on its lines
        return jsonl.load(path / f"{name}.jsonl", replace(options, split=None))
    return _LOADERS[part.source](path, options)


def _names(part: PicturesPart | VideosPart, split: Split) -> Sequence[str]:
    return {"train": part.train, "val": part.val, "test": part.test}[split]


def _in_a_recipe(part: PicturesPart | VideosPart, split: Split, said: str) -> str:
    for words, ours in _OURS.items():
        said = said.replace(words, ours)
    where = "data.path" if part.source == "webdataset" else "data.path and data.images"
    return f"data.{split}: {said} (it names {', '.join(_names(part, split))}, looked for in {where})"


def _cleaned(entry: Entry, cleaning: CleanMode) -> Entry:
    captions = tuple(text for caption in entry.captions if (text := clean(caption, cleaning)))
    return replace(entry, captions=captions, labels=(), edits=())


def _see_that_videos_are_read() -> None:
    try:
        # where it is missing, every clip would fail by itself
        import_module("models.video.decode")
    except ImportError as error:
        raise RecipeError(
            f"data: videos are read by PyAV, which is not installed ({error}): pip install 'vilem-search[video]'"
        ) from error
