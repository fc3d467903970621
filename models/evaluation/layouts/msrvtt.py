"""MSR-VTT (Xu et al., CVPR 2016), and data sets in its layout: annotations, and a folder of videos named by their ids.

Two files tell what is asked. `MSRVTT_JSFUSION_test.csv` is the split that most tables call 1k-A (Yu et al., ECCV 2018):
a thousand videos, one sentence each. The annotations (`MSRVTT_data.json`, or `train_val_videodatainfo.json` and
`test_videodatainfo.json`) have twenty sentences for each of 10,000 videos, in the splits train, validate and test.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from models.evaluation.dataset import Dataset, DatasetInvalid, Entry
from models.evaluation.layouts.files import OnDisk, Options, dataset_of, find_image, read_json, with_split

LAYOUT = "msr-vtt"
FIRST_A = "1k-A"
CSV = "MSRVTT_JSFUSION_test.csv"
ANNOTATIONS = ("MSRVTT_data.json", "train_val_videodatainfo.json", "test_videodatainfo.json")
EXPECTED = (
    'MSR-VTT annotations, {"videos": [{"video_id", "split"}], "sentences": [{"video_id", "caption"}]}, as in '
    f"{ANNOTATIONS[0]}"
)
EXPECTED_CSV = f"a CSV with the columns video_id and sentence, as {CSV} has them"
# where the archives that are passed around put the videos, seen from their annotations
_FOLDERS = ("videos", "videos/all", "MSRVTT_Videos", "TrainValVideo", "TestVideo", "")
_ENDINGS = (".mp4", ".webm", ".mkv", ".avi")

Captions = dict[str, list[str]]


class _Video(BaseModel):
    video_id: str
    split: str


class _Sentence(BaseModel):
    video_id: str
    caption: str


class _File(BaseModel):
    videos: list[_Video]
    sentences: list[_Sentence]


def load(source: Path, options: Options) -> Dataset:
    """Read one split.

    Args:
        source: the CSV, an annotation file, or the folder that holds them.
        options: `split` is 1k-A, or one that the annotations name; 1k-A unless told otherwise where its CSV is there,
            else test. `images` are folders with the videos.

    Raises:
        DatasetInvalid: a file, the split or videos are missing, or a file says something else.
    """
    split, captions = _captions(source, options.split)
    beside = source if source.is_dir() else source.parent
    for folder in options.images:
        if not folder.is_dir():
            raise DatasetInvalid(f"{folder} is missing: expected a folder with the videos of {source.name}")
    folders = options.images or tuple(beside / name for name in _FOLDERS)
    found = [_entry(name, tuple(texts), folders) for name, texts in captions.items()]
    return dataset_of(found, source, LAYOUT, with_split(options, split), unit="video")


def _captions(source: Path, split: str | None) -> tuple[str, Captions]:
    """The split that is read, and the captions of each of its videos."""
    table = source / CSV if source.is_dir() else source
    if not source.exists():
        raise DatasetInvalid(
            f"no data set at {source}: expected {EXPECTED_CSV}, or {EXPECTED}, or the folder of either"
        )
    if split == FIRST_A or (split is None and table.suffix == ".csv" and table.is_file()):
        return FIRST_A, _of_table(table)
    if source.suffix == ".csv":
        raise DatasetInvalid(f"{source} holds the split {FIRST_A}, not {split!r}: name the annotations or their folder")
    files = [source / name for name in ANNOTATIONS if (source / name).is_file()] if source.is_dir() else [source]
    if not files:
        raise DatasetInvalid(f"{source} holds neither {CSV} nor any of {', '.join(ANNOTATIONS)}: expected one of them")
    return split or "test", _of_annotations(files, split or "test", source)


def _of_table(path: Path) -> Captions:
    if not path.is_file():
        raise DatasetInvalid(f"{path} is missing: expected {EXPECTED_CSV}")
    captions: Captions = defaultdict(list)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            for row in csv.DictReader(lines):
                captions[row["video_id"]].append(row["sentence"].strip())
        except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
            raise DatasetInvalid(f"{path}: {type(error).__name__} {error}: expected {EXPECTED_CSV}") from error
    return captions


def _of_annotations(files: Iterable[Path], split: str, source: Path) -> Captions:
    captions: Captions = {}
    others: set[str] = set()
    for file in (read_json(path, _File, EXPECTED) for path in files):
        captions |= {each.video_id: [] for each in file.videos if each.split == split}
        others |= {each.split for each in file.videos}
        for each in file.sentences:
            if each.video_id in captions:
                captions[each.video_id].append(each.caption.strip())
    if not captions:
        raise DatasetInvalid(f"{source} has no split {split!r}: choose one of {', '.join(sorted(others)) or 'none'}")
    return {name: texts for name, texts in captions.items() if texts}


def _entry(name: str, captions: tuple[str, ...], folders: Sequence[Path]) -> OnDisk:
    path = find_image(folders, *(name + ending for ending in _ENDINGS))
    return OnDisk(Entry(name, path.read_bytes, captions), path)
