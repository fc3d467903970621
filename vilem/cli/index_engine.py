"""`vilem index build --engine`: where the embedding runs."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from index.collection import Collection
    from index.embed import EmbedJob
    from index.options import EmbedOptions
    from index.sources.item import Source
    from models.bundle import Bundle


class EngineName(StrEnum):
    """The engines there are."""

    PLAIN = "plain"
    RAY = "ray"


Engine = Annotated[EngineName, typer.Option(help="plain: in this process; ray: on a Ray cluster (docs/ray.md).")]
Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: 'auto' or HOST:PORT of a cluster that runs.",
        show_default="a cluster of this machine alone, for this job",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="With --engine ray: processes that embed.", show_default="one for each GPU, or for each 4 CPUs"
    ),
]


def job_on(
    engine: EngineName, address: str | None, workers: int | None
) -> "Callable[[Collection, Source, Bundle, EmbedOptions], EmbedJob]":
    """What makes the job; options of another engine are refused before anything is read."""
    if engine is EngineName.PLAIN:
        if address is not None or workers is not None:
            raise typer.BadParameter("--address and --workers are for --engine ray")
        from index.embed import embed

        return embed
    from index.engines.ray_cluster import LOCAL
    from index.engines.ray_job import RayOptions, embed_on_ray

    cluster = RayOptions(address or LOCAL, workers)
    return lambda collection, source, bundle, options: embed_on_ray(collection, source, bundle, options, cluster)
