"""Embedding on a Ray cluster: `vilem index build … --engine ray`."""

from collections.abc import Generator
from dataclasses import dataclass, replace

from index.collection import Collection
from index.embed import settled_options
from index.engines.job import COMMIT_SECONDS, StagedJob, Work
from index.engines.ray_cluster import LOCAL, connected, crew_here, require_ray
from index.engines.staging import Staged
from index.options import EmbedOptions
from index.sources.item import Source
from models.bundle import Bundle
from models.proofreader import Proofreader


@dataclass(frozen=True)
class RayOptions:
    """Where a job runs.

    Attributes:
        address: of the cluster; see `index.engines.ray_cluster.connected`.
        workers: processes that embed; None = one for each GPU, or for each four CPUs.
        commit_seconds: what the death of the driver may cost; a shorter job commits once.
    """

    address: str = LOCAL
    workers: int | None = None
    commit_seconds: float = COMMIT_SECONDS


def embed_on_ray(
    collection: Collection,
    source: Source,
    bundle: Bundle,
    options: EmbedOptions | None = None,
    cluster: RayOptions | None = None,
) -> StagedJob:
    """As `index.embed.embed`, on a cluster whose machines see the collection, the bundle and the source as this one does.

    A lost worker or node costs what it had in hand, which is embedded again elsewhere. The rows are committed together.

    Iterating raises what `embed`'s does, and ClusterUnreachable, ClusterTooSmall and WorkersLost.

    Raises:
        RayMissing: Ray is not installed.
        BundleMismatch, ProofreaderMissing: see `embed`.
    """
    require_ray()
    wanted = settled_options(collection, bundle, options or EmbedOptions())
    if wanted.patches:
        # to be told now, and not by a worker
        Proofreader.open(bundle)
    cluster = cluster or RayOptions()

    def engine(parts: list[Source], work: Work) -> Generator[Staged]:
        with connected(cluster.address):
            crew = crew_here(cluster.workers)
            from index.engines.ray_data import reports

            yield from reports(parts, replace(work, threads=crew.cpus), crew)

    return StagedJob(collection, source, bundle, wanted, engine, cluster.commit_seconds)
