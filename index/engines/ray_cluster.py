"""Joining a Ray cluster, and how many workers it holds. Ray is imported when a job asks for it."""

import logging
import os
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from index.errors import ClusterTooSmall, ClusterUnreachable, RayMissing
from models.ort import available_cores

LOCAL = "local"
# ONNX Runtime gains little from more threads inside one operator; more workers gain all.
_CPUS_OF_A_WORKER = 4
# of a cluster of this machine alone: what travels are lists of items and reports
_LOCAL_STORE_BYTES = 256 * 2**20
_LOOPBACK = "127.0.0.1"
# No reports to Ray's maker (a cluster that runs already decides for itself), and no diary of its own parts on our terminal.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
# For a cluster of this machine alone. By the first, Ray takes the loopback address (some machines do not reach their own
# other ones); by the second, workers run at the job's own priority: Ray would give them 15 less, and they would starve
# beside any other work.
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}


@dataclass(frozen=True)
class Crew:
    """The workers of a job.

    Attributes:
        workers: how many.
        cpus: of each; as many threads has its inference.
        gpus: of each.
    """

    workers: int
    cpus: int
    gpus: int = 0


def require_ray() -> None:
    """Make sure that Ray is there.

    Raises:
        RayMissing: it is not installed.
    """
    try:
        # read when Ray is imported
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import ray.data  # pyright: ignore[reportUnusedImport] # noqa: F401
    except ImportError as error:
        raise RayMissing(
            f"--engine ray needs a package that is not installed ({error}): pip install 'vilem-search[ray]' here and on "
            "every node of the cluster"
        ) from error


@contextmanager
def connected(address: str = LOCAL) -> Generator[None]:
    """Take part in a cluster; one that this process has joined already is left as it is.

    Args:
        address: "local" starts one on this machine alone, which ends with the block; "auto" is the one that runs on this
            machine, or that RAY_ADDRESS names; else HOST:PORT of a cluster's head.

    Raises:
        RayMissing: Ray is not installed.
        ClusterUnreachable: there is none.
    """
    if address == LOCAL:
        for name, value in _ALONE.items():
            os.environ.setdefault(name, value)
    require_ray()
    import ray

    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {
        "num_cpus": available_cores(), "object_store_memory": _LOCAL_STORE_BYTES, "_node_ip_address": _LOOPBACK,
        "include_dashboard": False,
    }  # fmt: skip
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Ray forks to start programs, which do not use what was forked
            warnings.filterwarnings("ignore", message="lance is not fork-safe")
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR, **(own if address == LOCAL else {})
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterUnreachable(
            f"no Ray cluster answers at {address} ({error}): start its head with `ray start --head`, and run this command "
            "on one of its machines"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def crew_here(workers: int | None = None) -> Crew:
    """The crew that the joined cluster holds; see `crew_for`."""
    import ray

    return crew_for([node["Resources"] for node in ray.nodes() if node["Alive"]], workers)


def crew_for(nodes: Iterable[Mapping[str, float]], workers: int | None = None) -> Crew:
    """The crew for a cluster of those nodes, each with its "CPU" and "GPU".

    Args:
        nodes: a node without CPUs, such as the head of many clusters, holds no worker.
        workers: how many are wanted; None = one for each GPU, or one for each four CPUs where there is none.

    Raises:
        ClusterTooSmall: there is no room for so many.
    """
    sizes = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
    sizes = [(cpus, gpus) for cpus, gpus in sizes if cpus]
    devices = [(cpus, gpus) for cpus, gpus in sizes if gpus]
    if devices:
        # a device feeds one worker; its pictures are decoded by the CPUs beside it
        room, most = sum(min(cpus, gpus) for cpus, gpus in devices), min(max(1, cpus // gpus) for cpus, gpus in devices)
        _check_room(workers or room, room, "GPUs with a CPU each")
        return Crew(workers or room, most, 1)
    room = sum(cpus for cpus, _ in sizes)
    _check_room(workers or 1, room, "CPUs")
    most = min(_CPUS_OF_A_WORKER, *(cpus for cpus, _ in sizes))
    if workers is None:
        return Crew(_fitting(sizes, most), most)
    return Crew(
        workers, max(each for each in range(1, max(cpus for cpus, _ in sizes) + 1) if _fitting(sizes, each) >= workers)
    )


def _fitting(sizes: Iterable[tuple[int, int]], cpus: int) -> int:
    """How many workers of so many CPUs the nodes hold: a worker lies on one node."""
    return sum(there // cpus for there, _ in sizes)


def _check_room(wanted: int, room: int, what: str) -> None:
    if wanted > room:
        raise ClusterTooSmall(
            f"{wanted} workers do not fit: the cluster has {room} {what}; ask for fewer, or add nodes"
        )
