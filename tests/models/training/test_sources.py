"""Sources: every layout gives the same pairs, and what is missing is named."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation.layouts.msrvtt import ANNOTATIONS
from models.manifest import Preprocess
from models.scenes.corpus import example
from models.scenes.corpus import write_jsonl as write_scenes
from models.training.clips import ClipArrays
from models.training.data import SceneArrays
from models.training.parts import ClipsPart, PicturesPart, ScenesPart, VideosPart
from models.training.recipe import RecipeError, read_recipe
from models.training.sources import Split, data_digest, entries, open_pairs
from tests.models.evaluation.made import picture, sample
from tests.models.evaluation.made_clips import write_annotations
from tests.models.evaluation.made_clips import write_videos as write_clips
from tests.support.data import write_tar

RECIPES = Path(__file__).parents[3] / "models" / "recipes"
SPEC = Preprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
PICTURES: dict[str, tuple[str, list[str]]] = {
    "one": ("train", ["A Red  square", "red"]),
    "five": ("train", ["fifth"]),
    "two": ("restval", ["A &amp; B"]),
    "three": ("val", ["third"]),
    "four": ("test", ["fourth"]),
}


def write_pictures(folder: Path) -> None:
    """A JPEG for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(PICTURES):
        (folder / f"{name}.jpg").write_bytes(picture((50 * number, 9, 9), form="JPEG"))


def write_karpathy(folder: Path) -> PicturesPart:
    """Karpathy's JSON with its pictures in a folder of their own."""
    write_pictures(folder / "photos" / "train2014")
    images: list[dict[str, Any]] = [
        {
            "filename": f"{name}.jpg",
            "filepath": "train2014",
            "split": split,
            "sentences": [{"raw": text} for text in texts],
        }
        for name, (split, texts) in PICTURES.items()
    ]
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images}))
    return PicturesPart(
        source="karpathy", path=folder / "dataset_coco.json", images=(folder / "photos",), train=("train", "restval")
    )


def write_jsonl(folder: Path) -> PicturesPart:
    """Lines of JSON beside the pictures."""
    write_pictures(folder)
    lines = [{"image": f"{name}.jpg", "captions": texts, "split": split} for name, (split, texts) in PICTURES.items()]
    (folder / "all.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return PicturesPart(source="jsonl", path=folder / "all.jsonl", train=("train", "restval"))


def write_shards(folder: Path) -> PicturesPart:
    """A shard for each split."""
    for number, (name, (split, texts)) in enumerate(PICTURES.items()):
        _, text = sample(name, *texts)
        write_tar(
            folder / f"{split}-{number:03}.tar", [(f"{name}.jpg", picture((50 * number, 9, 9), form="JPEG")), text]
        )
    return PicturesPart(source="webdataset", path=folder, train=("train", "restval"))


@pytest.mark.parametrize("write", [write_karpathy, write_jsonl, write_shards])
def test_every_layout_gives_the_same_pairs(tmp_path: Path, write: Any) -> None:  # noqa: ANN401 # one of the functions above
    """Splits are put together as the recipe says; captions are cleaned, pixels those of the files."""
    part = write(tmp_path)

    train = open_pairs(part, "train", SPEC, tmp_path / "work", "lower")

    assert [("a red square", "red"), ("fifth",), ("a & b",)] == list(train.captions)
    pixels = train.pixels(np.arange(3))
    assert (3, 16, 16, 3) == pixels.shape
    assert pixels[0].mean() < pixels[1].mean()
    for split, text in (("val", "third"), ("test", "fourth")):
        assert [(text,)] == list(open_pairs(part, split, SPEC, tmp_path / "work", "lower").captions)


def test_scenes_are_rendered(tmp_path: Path) -> None:
    """Without another source, the recipe's data are scenes at the size of the input."""
    found = open_pairs(
        ScenesPart(train=2, val=3, test=1), "val", SPEC.model_copy(update={"size": 64}), tmp_path, "lower"
    )

    assert isinstance(found, SceneArrays)
    assert (3, 64, 64, 3) == found.pixels(np.arange(3)).shape


def test_clips_are_rendered(tmp_path: Path) -> None:
    """Clips of moving scenes at the size of the input, as many frames of each as the recipe asks for."""
    part = ClipsPart(source="clips", train=2, val=3, test=1, frames=2)
    spec = SPEC.model_copy(update={"size": 64})

    found = open_pairs(part, "val", spec, tmp_path, "lower")

    assert isinstance(found, ClipArrays)
    assert (3, 2, 64, 64, 3) == found.pixels(np.arange(3)).shape
    assert data_digest(part, found) == data_digest(part.model_copy(update={"frames": 4, "val": 9}), found)
    assert data_digest(part, found) != data_digest(ScenesPart(train=2, val=3, test=1), found)


def write_videos(folder: Path) -> VideosPart:
    """Three videos in MSR-VTT's layout, one of each split, and a fourth that nothing is said of."""
    colours = {"video0": "train", "video1": "validate", "video2": "test", "video3": "train"}
    names = ("red", "blue", "green", "red")
    write_clips(folder / "videos", names)
    captions = {each: [f"A {name}  picture"] for each, name in zip(colours, names[:3], strict=False)}
    write_annotations(folder / ANNOTATIONS[0], {**captions, "video3": []}, colours)
    return VideosPart(source="msr-vtt", path=folder, frames=2)


def test_videos_are_read_in_msrvtts_layout(tmp_path: Path) -> None:
    """Its splits are the recipe's by their own names; captions are cleaned, and frames those of the files."""
    part = write_videos(tmp_path / "a")

    found = {split: open_pairs(part, split, SPEC, tmp_path, "lower") for split in ("train", "val", "test")}

    said = {split: [*pairs.captions] for split, pairs in found.items()}
    assert {"train": [("a red picture",)], "val": [("a blue picture",)], "test": [("a green picture",)]} == said
    pixels = found["val"].pixels(np.arange(1))
    assert (1, 2, 16, 16, 3) == pixels.shape
    assert 2 == pixels.mean(axis=(0, 1, 2, 3)).argmax()
    other = write_videos(tmp_path / "b")
    assert data_digest(part, found["train"]) == data_digest(other, open_pairs(other, "train", SPEC, tmp_path, "lower"))
    assert data_digest(part, found["train"]) != data_digest(part, found["val"])


def test_videos_want_what_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyAV the recipe is refused with what to install; so it is where a video's file is missing."""
    part = write_videos(tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "models.video.decode", None)
        with pytest.raises(RecipeError, match=r"pip install 'vilem-search\[video\]'"):
            open_pairs(part, "train", SPEC, tmp_path, "lower")
    (tmp_path / "videos" / "video0.mp4").unlink()

    with pytest.raises(
        RecipeError, match=r"data\.train: .*video0.*with data\.images, .*with data\.skip_missing = true"
    ):
        open_pairs(part, "train", SPEC, tmp_path, "lower")


@pytest.mark.parametrize("write", [write_karpathy, write_jsonl])
def test_missing_pictures_are_named_or_left_out(tmp_path: Path, write: Any) -> None:  # noqa: ANN401
    """A file that is not there is an error that names it and the recipe's field, unless it is to be skipped."""
    part = write(tmp_path)
    next(tmp_path.rglob("one.jpg")).unlink()

    missing = r"data\.train: 1 of \d pictures are missing.*one\.jpg.*with data\.images, .*data\.skip_missing = true"
    with pytest.raises(RecipeError, match=missing) as refused:
        open_pairs(part, "train", SPEC, tmp_path / "work", "lower")
    assert "--" not in str(refused.value)
    left = open_pairs(part.model_copy(update={"skip_missing": True}), "train", SPEC, tmp_path / "work", "lower")

    assert [("fifth",), ("a & b",)] == list(left.captions)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_source_is_named(tmp_path: Path, split: Split) -> None:
    """A path that is not there is an error that says what is expected there, and in which fields it stands."""
    for source, why in (
        ("karpathy", "expected Karpathy"),
        ("jsonl", "expected a JSONL"),
        ("webdataset", "expected uncompressed tar"),
    ):
        part = PicturesPart(source=source, path=tmp_path / "none")
        with pytest.raises(RecipeError, match=rf"data\.{split}: .*{why}.*it names {split}, looked for in data\.path"):
            open_pairs(part, split, SPEC, tmp_path, "lower")


@pytest.mark.parametrize("cache", [False, True])
def test_what_scenes_make_writes_is_trained_on(tmp_path: Path, cache: bool) -> None:
    """A folder with a JSONL for each split, whose lines say nothing of splits, is read by its files' names."""
    for split, count in (("train", 2), ("val", 3), ("test", 1)):
        list(write_scenes(tmp_path, split, count, seed=4, size=32))
    part = PicturesPart(source="jsonl", path=tmp_path, cache=cache)

    found = {split: open_pairs(part, split, SPEC, tmp_path / "work", "lower") for split in ("train", "val", "test")}

    assert {"train": 2, "val": 3, "test": 1} == {split: len(pairs) for split, pairs in found.items()}
    assert found["val"].captions[1] == example("val", 1, 4, 32).captions
    with pytest.raises(RecipeError, match=r"data\.test: no data set at .*dev\.jsonl.*it names dev, looked for in data"):
        open_pairs(part.model_copy(update={"test": ("dev",)}), "test", SPEC, tmp_path / "work", "lower")


def test_lines_without_a_split_say_what_to_do(tmp_path: Path) -> None:
    """One file whose lines have no split is refused with what to write, and the field that asked for the split."""
    list(write_scenes(tmp_path, "train", 1, seed=4, size=32))

    with pytest.raises(
        RecipeError, match=r'^data\.train: .*no split \'train\'.*write "split" into each, or .*data\.path'
    ):
        open_pairs(PicturesPart(source="jsonl", path=tmp_path / "train.jsonl"), "train", SPEC, tmp_path, "lower")


@pytest.mark.parametrize(
    ("source", "names"),
    [("webdataset", ("train", "train_extra")), ("webdataset", ("b", "train", "b")), ("karpathy", ("train", "train"))],
)
def test_the_same_pictures_are_not_read_twice(tmp_path: Path, source: str, names: tuple[str, ...]) -> None:
    """Splits that name one picture twice are refused: it would stand in a batch as its own negative."""
    part = PicturesPart.model_validate({"source": source, "path": tmp_path, "train": names})

    with pytest.raises(RecipeError, match=r"^data\.train: .* name the same pictures, .*: name each once"):
        open_pairs(part, "train", SPEC, tmp_path / "work", "lower")


def test_captions_can_be_limited(tmp_path: Path) -> None:
    """The first so many captions of each picture are kept; empty ones are none."""
    part = write_jsonl(tmp_path).model_copy(update={"captions": 1})

    assert [("a red square",), ("fifth",), ("a & b",)] == [each.captions for each in entries(part, "train", "lower")]


@pytest.mark.parametrize("name", ["coco-vit-b-16", "flickr30k-vit-b-16"])
def test_shipped_recipes_read_karpathys_folder(tmp_path: Path, name: str) -> None:
    """The fine-tuning recipes open a folder of Karpathy's layout, all of their splits, at ViT-B/16's side."""
    part = read_recipe(RECIPES / f"{name}.toml").data
    assert isinstance(part, PicturesPart)
    here = write_karpathy(tmp_path)
    part = part.model_copy(update={"path": here.path, "images": here.images})
    spec = SPEC.model_copy(update={"size": 224})

    found = {split: open_pairs(part, split, spec, tmp_path / "work", "lower") for split in ("train", "val", "test")}

    assert [3 if name.startswith("coco") else 2, 1, 1] == [len(pairs) for pairs in found.values()]
    assert (1, 224, 224, 3) == found["test"].pixels(np.arange(1)).shape


@pytest.mark.parametrize("cache", [False, True])
def test_other_pictures_under_the_same_names_are_seen(tmp_path: Path, cache: bool) -> None:
    """Another folder of pictures is another data set, though names and captions are the same and the work folder too."""
    part = write_karpathy(tmp_path).model_copy(update={"cache": cache})
    other = tmp_path / "others"
    (other / "train2014").mkdir(parents=True)
    for path in (tmp_path / "photos" / "train2014").iterdir():
        (other / "train2014" / path.name).write_bytes(picture((250, 250, 250), form="JPEG"))

    pixels = [
        open_pairs(part.model_copy(update={"images": (folder,)}), "train", SPEC, tmp_path / "work", "lower").pixels(
            np.arange(3)
        )
        for folder in (tmp_path / "photos", other)
    ]

    assert pixels[0].mean() < 150 < 240 < pixels[1].mean()
    # and each was kept by itself
    assert 2 == len(list((tmp_path / "work").iterdir()))


def test_a_digest_is_of_what_is_trained_on(tmp_path: Path) -> None:
    """Equal for the same pictures with other workers, kept or not, in another place; another for a caption or a name."""

    def digest(part: PicturesPart, **changes: Any) -> str:  # noqa: ANN401 # fields of the part
        part = part.model_copy(update=changes)
        return data_digest(part, open_pairs(part, "train", SPEC, tmp_path / "work", "lower"))

    part = write_jsonl(tmp_path / "a")
    first = digest(part)
    assert {first} == {digest(part, workers=2), digest(part, cache=True), digest(write_jsonl(tmp_path / "b"))}
    lines = part.path.read_text()
    (tmp_path / "a" / "six.jpg").write_bytes(picture((1, 2, 3), form="JPEG"))
    for change in (("fifth", "sixth"), ("five.jpg", "six.jpg")):
        part.path.write_text(lines.replace(*change))
        assert first != digest(part)
    assert first != digest(part, captions=1)


def test_a_digest_of_scenes_is_of_their_numbers(tmp_path: Path) -> None:
    """How many training scenes, their seed, and what this release says of them; the other splits are not trained on."""
    part = ScenesPart(train=1, val=3, test=1, seed=4)
    pairs = open_pairs(part, "train", SPEC.model_copy(update={"size": 64}), tmp_path, "lower")

    same, more, other = (
        data_digest(part.model_copy(update=change), pairs) for change in ({"val": 9}, {"train": 2}, {"seed": 5})
    )

    assert isinstance(pairs, SceneArrays)
    retold = data_digest(part, replace(pairs, captions=[("otherwise",)]))
    assert data_digest(part, pairs) == same
    assert 4 == len({same, more, other, retold})
