"""The bounds of an embedding job."""

from dataclasses import dataclass, field

from index.videos import VideoOptions
from models.decode import DecodeLimits


@dataclass(frozen=True)
class EmbedOptions:
    """Bounds of one job; what is in flight never exceeds them.

    Attributes:
        image_batch: images in one inference. ViT-B/32 on a CPU gains nothing beyond 16; a GPU wants more.
        text_batch: captions in one inference, of like length.
        readers: threads that read, decode and scale. One keeps up with two cores of ViT-B/32; a GPU, or a remote
            file system, wants more.
        window: items read ahead of inference: their pixels are what the job holds in memory.
        chunk_rows: a commit is made of so many rows,
        chunk_seconds: or of what so many seconds brought: what a kill may cost.
        limits: of one image; beyond them it is rejected.
        patches: store what the bundle's proofreader reads of each image, at most 10 KB, and make it for the rows that
            lack it; None = if the bundle has a proofreader.
        videos: how videos are taken.
    """

    image_batch: int = 16
    text_batch: int = 64
    readers: int = 2
    window: int = 128
    chunk_rows: int = 1_024
    chunk_seconds: float = 30.0
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    patches: bool | None = None
    videos: VideoOptions = field(default_factory=VideoOptions)

    def __post_init__(self) -> None:
        for name in ("image_batch", "text_batch", "readers", "window", "chunk_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
