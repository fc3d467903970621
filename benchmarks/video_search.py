"""Videos in a collection: whether a text finds the video and the moment, and how many frames the job takes a second.

    python -m benchmarks.video_search [--videos 40] [--shots 5] [--every 1] [--size 128]

Videos are made of shots, one after the other, 2 s each, so that what is shown when is known: "moving" ones are rendered clips
of moving scenes, of which the bundle has never seen one, and whose captions differ in words of movement too; "still" ones are
rendered scenes as it was trained on. Each shot's first caption is a query. "Video": the shot's video is the first hit (R@1), or among five. "Moment": the moment that is
told lies in the shot, or at most one sampling step away from it. Chance is what drawing one would give. Rates are of the whole
job, from files to committed rows: reading, decoding, scaling and embedding.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from benchmarks.table import Row, show
from index.collection import Collection
from index.embed import embed
from index.options import EmbedOptions
from index.publish import publish
from index.searcher import Hit, Searcher, Target
from index.sources import open_source
from index.videos import VideoOptions
from models.bundle import Bundle
from models.scenes.clips import FRAMES, RATE, clip_example
from models.scenes.corpus import generate
from models.video.encode import encode
from models.video.sampling import Sampling

Kind = Literal["moving", "still"]

BUNDLE = Path(__file__).parents[1] / "models" / "bundles" / "scenes-s"
NAME = "films"
# an encoder's usual keyframe, every 10 s at most: the shots' beginnings, and what x264 finds
_KEYFRAME_EVERY = 80
_SHOT_S = FRAMES / RATE


@dataclass(frozen=True)
class Shot:
    """One query and its answer: the id of the video, and when the shot begins."""

    text: str
    video: str
    seconds: float


def shown(kind: Kind, size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Shots without end: a caption, and frames (F, S, S, 3)."""
    if kind == "moving":
        for number in count():
            clip = clip_example("test", number, 0, size)
            yield clip.captions[0], clip.frames
    for scene in generate("test", sys.maxsize, 0, size):
        yield scene.captions[0], np.repeat(scene.image[None], FRAMES, axis=0)


def render(folder: Path, kind: Kind, videos: int, shots: int, size: int) -> list[Shot]:
    """Write the videos; what is shown in each."""
    folder.mkdir()
    found: list[Shot] = []
    source = shown(kind, size)
    for number in range(videos):
        made = list(islice(source, shots))
        name = f"{number:05d}.mp4"
        frames = np.concatenate([frames for _, frames in made])
        (folder / name).write_bytes(encode(frames, RATE, keyframe_every=_KEYFRAME_EVERY))
        found += [Shot(text, name, at * _SHOT_S) for at, (text, _) in enumerate(made)]
    return found


@dataclass(frozen=True)
class Found:
    """Shares of the queries, in [0, 1], and milliseconds a query."""

    first: float
    among_five: float
    moment: float
    milliseconds: float


def ask(searcher: Searcher, shots: list[Shot], vectors: np.ndarray, target: Target, step: float) -> Found:
    """Search for every shot, one query at a time."""
    first = five = moment = 0
    # the first search opens what the others find open
    searcher.search(vectors[:1], [10], target)
    began = time.perf_counter()
    answers = [searcher.search(vector[None], [10], target)[0] for vector in vectors]
    took = time.perf_counter() - began
    for shot, hits in zip(shots, answers, strict=True):
        videos = list(dict.fromkeys(hit.id for hit in hits))
        first += videos[:1] == [shot.video]
        five += shot.video in videos[:5]
        moment += _tells_moment(next((hit for hit in hits if hit.id == shot.video), None), shot, step)
    asked = len(shots)
    return Found(first / asked, five / asked, moment / asked, 1000 * took / asked)


def _tells_moment(hit: Hit | None, shot: Shot, step: float) -> bool:
    if hit is None or hit.moment is None:
        return False
    return shot.seconds - step <= hit.moment.seconds < shot.seconds + _SHOT_S + step


def measure(root: Path, kind: Kind, videos: int, shots: int, every: float, size: int) -> list[Row]:
    """Render, index, publish, ask."""
    queries = render(root / "videos", kind, videos, shots, size)
    bundle = Bundle.open(BUNDLE)
    collection = Collection.create(
        root, NAME, dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name=bundle.manifest.name
    )
    options = EmbedOptions(videos=VideoOptions(Sampling(every=every)), patches=False)
    with embed(collection, open_source(str(root / "videos")), bundle, options) as job:
        list(job)
    done = job.summary
    publish(collection.latest())
    searcher = Searcher.open(root, NAME)
    vectors = bundle.embed_texts([shot.text for shot in queries]).vectors
    by_video = ask(searcher, queries, vectors, "images", every)
    by_moment = ask(searcher, queries, vectors, "moments", every)
    chance, chance_of_moment = 100 / videos, 100 * min(1.0, (_SHOT_S + 2 * every) / (shots * _SHOT_S))
    return [
        Row("seconds of video that the job takes in", videos * shots * _SHOT_S / done.seconds, "s/s"),
        Row("frames that it embeds", done.moments / done.seconds, "1/s"),
        Row(f"video by its vector: R@1 (chance {chance:.1f} %)", 100 * by_video.first, "%", chance),
        Row("  R@5", 100 * by_video.among_five, "%"),
        Row(
            f"  moment of the right video, of all queries (chance {chance_of_moment:.0f} %)", 100 * by_video.moment, "%"
        ),
        Row("  a query", by_video.milliseconds, "ms"),
        Row("video by its moments: R@1", 100 * by_moment.first, "%", chance),
        Row("  R@5", 100 * by_moment.among_five, "%"),
        Row("  moment of the right video, of all queries", 100 * by_moment.moment, "%"),
        Row("  a query", by_moment.milliseconds, "ms"),
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between moments")
    parser.add_argument("--size", type=int, default=128, help="side of a frame, pixels")
    given = parser.parse_args()
    about = f"{given.videos} videos of {given.shots} shots of {_SHOT_S:g} s, {given.size} px, a moment every {given.every:g} s"
    for kind in get_args(Kind):
        with tempfile.TemporaryDirectory() as root:
            rows = measure(Path(root), kind, given.videos, given.shots, given.every, given.size)
        show(f"{kind.capitalize()} shots: {about}", rows)


if __name__ == "__main__":
    main()
