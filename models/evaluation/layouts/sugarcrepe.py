"""SugarCrepe (Hsieh et al., NeurIPS 2023): seven files of a picture, its caption and one false caption.

Each file is `{"0": {"filename", "caption", "negative_caption"}, …}`; the pictures are COCO's val2017.
"""

from collections import defaultdict
from pathlib import Path

from pydantic import BaseModel

from models.evaluation.dataset import Dataset, DatasetInvalid, Edit, Entry
from models.evaluation.layouts.files import OnDisk, Options, dataset_of, find_image, image_folders, read_json

LAYOUT = "sugarcrepe"
TYPES = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
EXPECTED = '{"0": {"filename", "caption", "negative_caption"}, …}, one of SugarCrepe\'s seven files'


class _Item(BaseModel):
    filename: str
    caption: str
    negative_caption: str


def load(source: Path, options: Options) -> Dataset:
    """Read the seven files of a folder; every item is a caption with one edit.

    Raises:
        DatasetInvalid: a file or pictures are missing.
    """
    lacking = [f"{kind}.json" for kind in TYPES if not (source / f"{kind}.json").is_file()]
    if lacking:
        raise DatasetInvalid(f"{source} has no {', '.join(lacking)}: expected SugarCrepe's seven files, TYPE.json")
    items: dict[str, list[tuple[str, _Item]]] = defaultdict(list)
    for kind in TYPES:
        made = read_json(source / f"{kind}.json", dict[str, _Item], EXPECTED)
        if not made:
            raise DatasetInvalid(f"{source / kind}.json holds nothing: without it the mean would be of fewer types")
        for item in made.values():
            items[item.filename].append((kind, item))
    folders = image_folders(options, source / "val2017.zip")
    found = [_picture(find_image(folders, name), name, made) for name, made in items.items()]
    return dataset_of(found, source, LAYOUT, options)


def _picture(path: Path, name: str, items: list[tuple[str, _Item]]) -> OnDisk:
    captions = tuple(item.caption for _, item in items)
    edits = tuple(Edit(item.negative_caption, number, kind) for number, (kind, item) in enumerate(items))
    return OnDisk(Entry(name, path.read_bytes, captions, (), edits), path)
