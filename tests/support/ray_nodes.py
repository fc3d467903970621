"""A Ray cluster of several nodes on this machine, whose nodes can be killed."""

import logging
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

# as `index.engines.ray_cluster` sets it for a cluster of one machine; read when Ray is imported
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_AUTH_MODE": "disabled",
}  # fmt: skip
_NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20, "include_dashboard": False}
# A node that was killed refuses connections at once: it is given up after so many looks. One that is only slow has ten seconds
# for each.
_HEALTH = {
    "health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 4,
    "health_check_timeout_ms": 10_000,
}  # fmt: skip


class Nodes:
    """A head that holds no worker, and nodes that do."""

    def __init__(self, cluster: Any) -> None:  # noqa: ANN401 - of a package that may be missing
        self._cluster = cluster
        self._nodes: list[Any] = []

    @property
    def address(self) -> str:
        """Of the head."""
        return self._cluster.address

    def add(self, cpus: int) -> None:
        """Start a node of so many CPUs."""
        self._nodes.append(self._cluster.add_node(num_cpus=cpus, **_NODE))

    def kill(self) -> None:
        """Kill the node that was started last."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)


@contextmanager
def ray_nodes(*cpus: int, environment: dict[str, str]) -> Generator[Nodes]:
    """A cluster of nodes of so many CPUs, joined by this process; skips where Ray is not installed.

    Args:
        cpus: of each node.
        environment: that workers have, and this process while the cluster is there.
    """
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (ENVIRONMENT | environment).items():
            patched.setenv(name, value)
        ray = pytest.importorskip("ray", reason="no ray: pip install 'vilem-search[ray]'")
        from ray._private import ray_constants
        from ray.cluster_utils import Cluster

        # read when Ray is imported, which another test may have done before
        patched.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": _HEALTH, **_NODE})
        try:
            nodes = Nodes(cluster)
            for each in cpus:
                nodes.add(each)
            with warnings.catch_warnings():
                # Ray forks to start programs, which do not use what was forked
                warnings.filterwarnings("ignore", message="lance is not fork-safe")
                ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
            yield nodes
        finally:
            ray.shutdown()
            cluster.shutdown()
            os.environ.pop("RAY_ADDRESS", None)
