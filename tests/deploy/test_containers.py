"""The containers for real: built, started, indexed, searched. Slow, so only with TEST_CONTAINERS=1."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from models.scenes.corpus import generate
from tests.deploy.support import ROOT, engine
from tests.support.servers import free_port

ENGINE = engine()
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("TEST_CONTAINERS") != "1",
        reason="builds the image, which takes minutes and a network: TEST_CONTAINERS=1 runs it",
    ),
    pytest.mark.skipif(ENGINE is None, reason="neither `docker compose` nor podman-compose is here"),
    # a first build downloads 300 MB
    pytest.mark.timeout(1800),
]
PICTURES = 3


@dataclass(frozen=True)
class Deployment:
    """A project of its own, with its own volumes and port."""

    project: str
    environment: dict[str, str]
    client: httpx.Client

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One compose command, with every profile."""
        assert ENGINE is not None
        profiles = ["--profile", "jobs"]
        return subprocess.run(
            [*ENGINE, "-p", self.project, *profiles, *arguments],
            cwd=ROOT,
            env=self.environment,
            check=check,
            capture_output=True,
            text=True,
        )

    def ended_with(self) -> dict[str, int]:
        """Exit status of the project's containers by name; of one that runs it is 0."""
        assert ENGINE is not None
        engine = "podman" if "podman" in ENGINE[0] else ENGINE[0]
        # podman-compose lists those that ended without being asked to
        ids = self.compose("ps", *(["-a"] if engine == "docker" else []), "-q").stdout.split()
        told = [
            subprocess.run(
                [engine, "inspect", "--format", "{{.Name}} {{.State.ExitCode}}", each],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            for each in ids
        ]
        return {name: int(status) for name, status in told}

    def wait(self) -> None:
        """Wait until the service is ready."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if self.client.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.compose("logs", "api", check=False).stdout[-2000:])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Built and up over a folder of three pictures; gone with its volumes afterwards."""
    corpus = tmp_path_factory.mktemp("corpus")
    for scene in generate("test", PICTURES, 0, 128):
        Image.fromarray(scene.image).save(corpus / f"{scene.id}.png")
    readable(corpus)
    port = free_port()
    environment = os.environ | {"CORPUS": str(corpus), "PORT": str(port)}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        made = Deployment(f"vilem-test-{os.getpid()}", environment, client)
        try:
            made.compose("build", "api")
            made.compose("up", "-d", "api", "redis")
            made.wait()
            yield made
        finally:
            made.compose("down", "-v", check=False)


def readable(folder: Path) -> None:
    """Let another user in: pytest's folders are its own user's alone."""
    for each in (folder, folder.parent, *folder.iterdir()):
        each.chmod(0o755 if each.is_dir() else 0o644)


def search(deployment: Deployment) -> list[dict[str, str]]:
    """The hits of one search."""
    answer = deployment.client.post("/v1/collections/photos/search", json={"query": {"text": "a red circle"}})
    assert httpx.codes.OK == answer.status_code, answer.text
    return answer.json()["hits"]


def test_it_starts_with_nothing(deployment: Deployment) -> None:
    """Without any collection the service is up and ready, and serves its page."""
    assert [] == deployment.client.get("/v1/collections").json()["collections"]
    assert httpx.codes.OK == deployment.client.get("/").status_code


def test_what_is_indexed_is_found(deployment: Deployment) -> None:
    """After the job has ended the running service finds every picture, and shows it."""
    deployment.compose("run", "--rm", "-T", "index")
    until = time.monotonic() + 10
    while not deployment.client.get("/v1/collections").json()["collections"] and time.monotonic() < until:
        time.sleep(0.1)

    hits = search(deployment)

    assert PICTURES == len(hits)
    assert httpx.codes.OK == deployment.client.get(hits[0]["thumbnail_url"]).status_code


def test_a_second_run_embeds_nothing(deployment: Deployment) -> None:
    """The job, run again over the same pictures, skips them all."""
    answer = deployment.compose("run", "--rm", "-T", "index").stdout

    assert f"unchanged  │ {PICTURES}" in answer


def test_it_answers_without_redis(deployment: Deployment) -> None:
    """Redis gone, a search is answered all the same."""
    deployment.compose("stop", "redis")

    assert PICTURES == len(search(deployment))

    deployment.compose("start", "redis")


def test_the_service_can_write_nothing(deployment: Deployment) -> None:
    """Not root, and neither the image nor the data nor the pictures can be written."""
    assert "0" != deployment.compose("exec", "-T", "api", "id", "-u").stdout.strip()
    for path in ("/opt/vilem/x", "/data/x", "/corpus/x"):
        assert deployment.compose("exec", "-T", "api", "touch", path, check=False).returncode != 0, path


def test_there_is_no_torch(deployment: Deployment) -> None:
    """The image has what serving needs and no more."""
    script = "import importlib.util as u; print([n for n in ('torch', 'onnx', 'pip') if u.find_spec(n)])"

    assert "[]" == deployment.compose("exec", "-T", "api", "python", "-c", script).stdout.strip()


def test_it_stops_and_comes_back(deployment: Deployment) -> None:
    """`stop` lets it end by itself, with 0: the engine kills after ten seconds, which is 137. After `start` it serves what it served."""
    deployment.compose("stop", "api")
    ended = deployment.ended_with()
    deployment.compose("start", "api")
    deployment.wait()

    assert [0] == [status for name, status in ended.items() if "api" in name]
    assert PICTURES == len(search(deployment))
