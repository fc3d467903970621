"""How `vilem index build` and `upsert` take videos, and how a moment of one is written."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from index.collection import Collection
    from index.videos import VideoOptions

Every = Annotated[
    float, typer.Option("--every", min=0.01, help="Videos: seconds from one moment that is embedded to the next.")
]
Moments = Annotated[
    int,
    typer.Option(
        "--moments", min=1, max=4096, help="Videos: most moments of one; of long ones they lie further apart."
    ),
]
AnewEvery = Annotated[
    float | None,
    typer.Option("--every", min=0.01, help="Take all videos anew, see `build`.", show_default="as they were"),
]
AnewMoments = Annotated[
    int | None,
    typer.Option("--moments", min=1, max=4096, help="Take all videos anew, see `build`.", show_default="as they were"),
]
StoredEvery = Annotated[
    float | None,
    typer.Option(
        "--every",
        min=0.01,
        help="Take all videos of SOURCE so, see `build`.",
        show_default="each as it is stored, new ones as most are",
    ),
]
StoredMoments = Annotated[
    int | None,
    typer.Option(
        "--moments", min=1, max=4096, help="The same.", show_default="each as it is stored, new ones as most are"
    ),
]
EVERY, MOMENTS = 1.0, 128


def video_options(every: float, moments: int) -> "VideoOptions":
    """What those options mean to the job."""
    from index.videos import VideoOptions
    from models.video.sampling import Sampling

    return VideoOptions(Sampling(every=every, most=moments))


def stored_video_options(collection: "Collection", every: float | None, moments: int | None) -> "VideoOptions":
    """What those options mean to a job that adds to a collection: what they leave out is as it is there."""
    from index.samplings import commonest_sampling, noted_samplings
    from index.videos import VideoOptions

    known = noted_samplings(collection.path)
    usual = commonest_sampling(collection.items, known)
    if every is None and moments is None:
        return VideoOptions(usual, keep=tuple(known))
    return VideoOptions(replace(usual, every=every or usual.every, most=moments or usual.most))


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths, as players show where they are: "1:07.5", "1:02:07.5"."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02d}" if hours else str(minutes)) + f":{rest // 10:02d}.{rest % 10}"
