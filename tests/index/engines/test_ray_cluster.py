"""index.engines.ray_cluster: how many workers a cluster holds, and what is said where there is none."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.engines.ray_cluster import Crew, connected, crew_for, require_ray
from index.errors import ClusterTooSmall, ClusterUnreachable, RayMissing
from tests.index.support import REPOSITORY

NODES = st.lists(st.fixed_dictionaries({"CPU": st.integers(0, 64).map(float)}), min_size=1, max_size=6)


@given(NODES, st.integers(1, 400))
def test_all_workers_fit(nodes: list[dict[str, float]], workers: int) -> None:
    """As many as were asked for have room on the nodes, each on one of them; none could have a CPU more. Else it is said."""
    room = int(sum(node["CPU"] for node in nodes))
    if workers > room:
        with pytest.raises(ClusterTooSmall, match=f"the cluster has {room} CPUs"):
            crew_for(nodes, workers)
        return

    crew = crew_for(nodes, workers)

    assert workers == crew.workers <= sum(node["CPU"] // crew.cpus for node in nodes)
    assert sum(node["CPU"] // (crew.cpus + 1) for node in nodes) < workers


@given(NODES.filter(lambda nodes: any(node["CPU"] for node in nodes)))
def test_the_default_crew_leaves_no_four_cpus_idle(nodes: list[dict[str, float]]) -> None:
    """One worker for each four CPUs, or for fewer where a node has fewer."""
    crew = crew_for(nodes)

    smallest = min(node["CPU"] for node in nodes if node["CPU"])
    assert min(4, smallest) == crew.cpus and 0 == crew.gpus
    assert crew.workers == sum(node["CPU"] // crew.cpus for node in nodes)


@pytest.mark.parametrize(
    ("nodes", "workers", "expected"),
    [
        ([{"CPU": 16, "GPU": 2}, {"CPU": 8, "GPU": 1}, {"CPU": 64}], None, Crew(3, 8, 1)),
        ([{"CPU": 16, "GPU": 4}], 2, Crew(2, 4, 1)),
        ([{"CPU": 2, "GPU": 8}], None, Crew(2, 1, 1)),
        ([{"CPU": 0}, {"CPU": 3}], None, Crew(1, 3)),
        ([{"memory": 1.0}, {"CPU": 2.0}], 2, Crew(2, 1)),
    ],
)
def test_a_gpu_feeds_one_worker(nodes: list[dict[str, float]], workers: int | None, expected: Crew) -> None:
    """Where there are devices, workers are theirs, with the CPUs beside them; a node without CPUs holds none."""
    assert expected == crew_for(nodes, workers)


def test_more_workers_than_devices_are_refused() -> None:
    """Two models on one device would take its memory twice."""
    with pytest.raises(ClusterTooSmall, match="3 workers do not fit: the cluster has 2 GPUs"):
        crew_for([{"CPU": 16, "GPU": 2}], 3)


def test_a_cluster_without_cpus_is_refused() -> None:
    """A head alone embeds nothing."""
    with pytest.raises(ClusterTooSmall, match="the cluster has 0 CPUs"):
        crew_for([{"CPU": 0}])


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, and before anything is read."""
    monkeypatch.setitem(sys.modules, "ray.data", None)
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(RayMissing, match=r"pip install 'vilem-search\[ray\]' here and on every node"):
        require_ray()


def test_an_address_that_is_none_is_told() -> None:
    """As an error of ours, which says how to start a cluster."""
    pytest.importorskip("ray", reason="no ray: pip install 'vilem-search[ray]'")

    with pytest.raises(ClusterUnreachable, match="no Ray cluster answers at nowhere"), connected("nowhere"):
        pass


def test_ray_is_not_imported_by_the_plain_job() -> None:
    """Who indexes on one machine, and who asks for help, waits for no Ray."""
    script = "import index.embed, vilem.cli.main, index.engines.ray_job, sys; print('ray' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert "False" == done.stdout.strip()
