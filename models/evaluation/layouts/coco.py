"""COCO's own captions: `captions_val2017.json` and the folder of its pictures.

The first five captions of each picture count, as the published tables have it, unless `--captions` says otherwise.
A picture without captions is left out.
"""

from collections import defaultdict
from pathlib import Path

from pydantic import BaseModel

from models.evaluation.dataset import Dataset
from models.evaluation.layouts.files import Options, dataset_of, entry_of, find_image, image_folders, read_json

LAYOUT = "coco"
CAPTIONS = 5
EXPECTED = 'COCO captions, {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}'


class _Image(BaseModel):
    id: int
    file_name: str


class _Annotation(BaseModel):
    image_id: int
    caption: str


class _File(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]


def load(source: Path, options: Options) -> Dataset:
    """Read all captioned pictures.

    Raises:
        DatasetInvalid: the file or pictures are missing.
    """
    file = read_json(source, _File, EXPECTED)
    captions: dict[int, list[str]] = defaultdict(list)
    for each in file.annotations:
        captions[each.image_id].append(each.caption.strip())
    folders = image_folders(options, source)
    found = [
        entry_of(find_image(folders, each.file_name), each.file_name, tuple(captions[each.id]))
        for each in file.images
        if each.id in captions
    ]
    return dataset_of(found, source, LAYOUT, options, CAPTIONS)
