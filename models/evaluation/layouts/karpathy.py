"""Karpathy's splits: `dataset_coco.json`, `dataset_flickr30k.json`, `dataset_flickr8k.json`, and the pictures' folder.

Convention of the tables that are published on them: the test split, five captions for each picture. Some pictures of
COCO have six or seven; the first five count, unless `--captions` says otherwise.
"""

from collections import Counter
from pathlib import Path

from pydantic import BaseModel

from models.evaluation.dataset import Dataset, DatasetInvalid
from models.evaluation.layouts.files import (
    Options,
    dataset_of,
    entry_of,
    find_image,
    image_folders,
    read_json,
    with_split,
)

LAYOUT = "karpathy"
CAPTIONS = 5
EXPECTED = (
    'Karpathy\'s JSON, {"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]} '
    "(dataset_coco.json, dataset_flickr30k.json)"
)


class _Sentence(BaseModel):
    raw: str


class _Image(BaseModel):
    filename: str
    filepath: str = ""
    split: str
    sentences: list[_Sentence]


class _File(BaseModel):
    images: list[_Image]


def load(source: Path, options: Options) -> Dataset:
    """Read one split, `test` unless another is asked for.

    Raises:
        DatasetInvalid: the file, the split or pictures are missing.
    """
    images = read_json(source, _File, EXPECTED).images
    split = options.split or "test"
    chosen = [each for each in images if each.split == split]
    if not chosen:
        known = ", ".join(f"{name} ({count:,})" for name, count in Counter(each.split for each in images).items())
        raise DatasetInvalid(f"{source} has no split {split!r}: it has {known or 'no pictures at all'}")
    folders = image_folders(options, source)
    found = [
        entry_of(
            find_image(folders, f"{each.filepath}/{each.filename}" if each.filepath else each.filename, each.filename),
            each.filename,
            tuple(sentence.raw.strip() for sentence in each.sentences),
        )
        for each in chosen
    ]
    return dataset_of(found, source, LAYOUT, with_split(options, split), CAPTIONS)
