"""What the tests of the evaluation are made of: small pictures, data sets on disk in every layout, pools of vectors."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from models.evaluation.dataset import Dataset, Edit, Entry
from models.evaluation.figures import figures
from models.evaluation.outcomes import Pool, Ranked, Task, Words
from models.evaluation.report import DataTag, ModelTag, Report, report
from models.scenes.corpus import generate

COLOURS = {
    "red": (230, 30, 30), "green": (30, 180, 60), "blue": (30, 60, 220), "yellow": (240, 220, 40),
    "purple": (140, 40, 180), "orange": (250, 140, 20), "black": (10, 10, 10), "white": (245, 245, 245),
}  # fmt: skip


def picture(colour: tuple[int, int, int], side: int = 40, form: str = "PNG") -> bytes:
    """An image file of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, form)
    return buffer.getvalue()


def reader(data: bytes) -> Callable[[], bytes]:
    """What an entry reads its picture with."""
    return lambda: data


def colours(count: int = 8) -> Dataset:
    """Pictures of one colour, each with two captions that name it and one edit that names the next colour."""
    names = list(COLOURS)[:count]
    entries = tuple(
        Entry(
            id=f"{name}.png",
            read=reader(picture(COLOURS[name])),
            captions=(name, f"a {name} picture"),
            labels=((("short", "all")), ("long", "all")),
            edits=(Edit(f"a {names[(row + 1) % count]} picture", 1, "colour", ("bright",)),),
        )
        for row, name in enumerate(names)
    )
    return Dataset("colours", "made", "", entries)


def write_karpathy(folder: Path, splits: Sequence[str], captions: int = 5, filepath: str = "") -> Path:
    """Karpathy's JSON with one picture for each split named, and the pictures below `images/`."""
    images: list[dict[str, object]] = []
    for number, split in enumerate(splits):
        name = f"picture_{number}.jpg"
        target = folder / "images" / filepath / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture((number * 9, 0, 0), form="JPEG"))
        said = [{"raw": f" caption {each} of {number} ", "tokens": []} for each in range(captions)]
        place = {"filepath": filepath} if filepath else {}
        images.append({"filename": name, **place, "split": split, "sentences": said, "imgid": number})
    path = folder / "dataset.json"
    path.write_text(json.dumps({"images": images, "dataset": "made"}))
    return path


def sample(key: str, *captions: str, **fields: object) -> list[tuple[str, bytes]]:
    """The two members of a WebDataset sample."""
    return [
        (f"{key}.jpg", picture((9, 9, 9), form="JPEG")),
        (f"{key}.json", json.dumps({"captions": captions, **fields}).encode()),
    ]


def write_sugarcrepe(folder: Path, images: Path, kinds: Sequence[str], count: int = 3) -> Path:
    """SugarCrepe's files, of rendered scenes: pictures in *images*, true and edited captions in the files."""
    folder.mkdir(parents=True, exist_ok=True)
    images.mkdir(parents=True, exist_ok=True)
    scenes = list(generate("test", count, seed=5))
    for each in scenes:
        (images / f"{each.id}.png").write_bytes(each.png())
    for place, kind in enumerate(kinds):
        items = {
            str(number): {
                "filename": f"{each.id}.png",
                "caption": each.captions[each.negatives[place % len(each.negatives)].caption],
                "negative_caption": each.negatives[place % len(each.negatives)].text,
            }
            for number, each in enumerate(scenes)
        }
        (folder / f"{kind}.json").write_text(json.dumps(items))
    return folder


@st.composite
def pools(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, texts and owners with few distinct values, so that ties are common; unevenly many captions each."""
    count = draw(st.integers(1, 6))
    extra = draw(st.lists(st.integers(0, count - 1), max_size=6))
    owners = np.array([*range(count), *extra])
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return (
        rng.integers(-1, 2, (count, 3)).astype(np.float32),
        rng.integers(-1, 2, (len(owners), 3)).astype(np.float32),
        rng.permutation(owners),
    )


def random_pool(rng: np.random.Generator, images: int = 30, captions: int = 2, skill: float = 1.0) -> Pool:
    """Outcomes of a model that finds more the higher *skill* is, with edits of two kinds."""
    units = np.repeat(np.arange(images), captions)
    ranks = 1 + rng.poisson(8 / (1 + skill), len(units))
    tasks: dict[Task, Ranked] = {
        "t2i": Ranked(ranks=ranks.tolist(), images=units.tolist(), groups={"even": list(range(0, len(units), 2))}),
        "i2t": Ranked(ranks=(1 + rng.poisson(8 / (1 + skill), images)).tolist(), images=list(range(images))),
        "edits": Ranked(
            ranks=(1 + (rng.random(len(units)) > skill / (1 + skill))).tolist(),
            images=units.tolist(),
            groups={"one": list(range(images)), "two": list(range(images, len(units)))},
            kinds=["one", "two"],
        ),
    }
    return Pool(images=images, tasks=tasks)


def random_words(rng: np.random.Generator, images: int = 30, words: int = 200, skill: float = 1.0) -> Words:
    """Words of a proofreader that finds more the higher *skill* is, with ties; every third is wrong, of two kinds."""
    wrong = list(range(0, words, 3))
    lift = np.zeros(words)
    lift[wrong] = skill
    return Words(
        images=rng.integers(0, images, words).tolist(),
        own=np.clip(rng.normal(0.4 + 0.2 * lift, 0.2), 0, 1).round(2).tolist(),
        other=rng.random(words).round(2).tolist(),
        wrong={"one": wrong[: len(wrong) // 2], "two": wrong[len(wrong) // 2 :]},
        known=wrong[1:],
        restored=[row for row in wrong[1:] if rng.random() < skill / (1 + skill)],
        edits=20,
        captions=10,
    )


def words_report(seed: int = 0, **change: object) -> Report:
    """A report on random words of 30 images, with some of their columns changed; the words of two seeds differ."""
    words = random_words(np.random.default_rng(seed)).model_copy(update=change)
    pool = Pool(images=30, tasks={}, words=words)
    made = Report(images=30, captions=30, pool=pool, figures=figures(pool))
    return tagged(made, digest=f"{seed:064d}", name=f"model-{seed}")


def tagged(found: Report, *, digest: str = "d" * 64, name: str = "model", data: str = "e" * 64) -> Report:
    """The report with names of a model and of data."""
    model = ModelTag(name=name, digest=digest, variant="fp32")
    return found.model_copy(
        update={"model": model, "data": DataTag(source="somewhere", layout="made", split="", digest=data)}
    )


def small_report(seed: int = 0, images: int = 6) -> Report:
    """A report over random vectors; seed 0 and 1 are two models on the same queries."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(images), 2)
    labels = [("first",), ("second",)] * images
    made = report(rng.normal(size=(images, 4)), rng.normal(size=(2 * images, 4)), owners, labels)
    return tagged(made, digest=f"{seed:064d}", name=f"model-{seed}")
