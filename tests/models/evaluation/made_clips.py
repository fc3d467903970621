"""Videos that the tests of the evaluation ask for: of one colour, of several after each other, on disk as MSR-VTT is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.evaluation.dataset import Dataset, Edit, Entry
from models.evaluation.layouts.msrvtt import CSV
from models.video.encode import Format, encode
from tests.models.evaluation.made import COLOURS, reader


def clip_of(*names: str, frames: int = 4, form: Format = "mp4") -> bytes:
    """A video that shows each colour for so many frames."""
    levels = np.repeat(np.array([COLOURS[name] for name in names], np.uint8), frames, axis=0)
    return encode(np.broadcast_to(levels[:, None, None], (len(levels), 32, 32, 3)), 8, form)


def colour_clips(count: int = 4) -> Dataset:
    """Videos of one colour, each with two captions that name it and one edit that names the next colour."""
    names = list(COLOURS)[:count]
    entries = tuple(
        Entry(
            id=name,
            read=reader(clip_of(name)),
            captions=(name, f"a {name} picture"),
            edits=(Edit(f"a {names[(row + 1) % count]} picture", 1, "colour"),),
        )
        for row, name in enumerate(names)
    )
    return Dataset("colours", "made", "", entries, unit="video")


def write_videos(folder: Path, names: Sequence[str], ending: str = ".mp4") -> None:
    """`video0.mp4` … in *folder*, each of a colour."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / f"video{number}{ending}").write_bytes(clip_of(name))


def write_annotations(path: Path, captions: Mapping[str, Sequence[str]], splits: Mapping[str, str]) -> Path:
    """Annotations as MSR-VTT's, further fields and all; captions not in the order of the videos."""
    videos = [
        {"video_id": each, "split": splits[each], "category": 9, "url": "", "start time": 0.0, "end time": 2.0, "id": n}
        for n, each in enumerate(captions)
    ]
    sentences = [
        {"caption": text, "video_id": each, "sen_id": number}
        for each, texts in reversed(captions.items())
        for number, text in enumerate(texts)
    ]
    path.write_text(json.dumps({"info": {"year": "2016"}, "videos": videos, "sentences": sentences}))
    return path


def write_msrvtt(folder: Path, names: Sequence[str] = ("red", "blue", "green")) -> Path:
    """A folder with the CSV of 1k-A and the videos that it names."""
    write_videos(folder / "videos", names)
    rows = [f"ret{n},msr{n},video{n},a {name} picture" for n, name in enumerate(names)]
    (folder / CSV).write_text("\n".join(["key,vid_key,video_id,sentence", *rows, ""]))
    return folder
