"""docker-compose.yml: what an operator may rely on, read from the file."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from index.errors import SourceError
from models.bundle import BUILT_IN
from service.app import create_app
from service.settings import Settings
from tests.deploy.support import ROOT, Compose
from vilem.cli.main import app

PAGE = ROOT / "docs" / "docker.md"


@pytest.fixture(scope="module")
def compose() -> Compose:
    """The file."""
    return Compose.read()


def table_rows() -> dict[str, str]:
    """Variables in the tables of docs/docker.md, and the cell beside each."""
    return dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]*?) \|", PAGE.read_text(), re.MULTILINE))


def settings_fields() -> set[str]:
    """The environment variables that the service reads."""
    return {f"VILEM_{name.upper()}" for name in Settings.model_fields}


def test_every_container_is_confined(compose: Compose) -> None:
    """Read-only root, no capabilities, no new privileges, bounded memory: every service, and none that is privileged."""
    for name, service in compose.services.items():
        assert service["read_only"] is True, name
        assert ["ALL"] == service["cap_drop"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert not {"privileged", "cap_add", "pid", "devices"} & service.keys(), name


def test_nothing_is_reachable_from_outside(compose: Compose) -> None:
    """Ports are published on this host alone, and Redis publishes none."""
    ports = [port for service in compose.services.values() for port in service.get("ports", [])]

    assert ports
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]
    assert "ports" not in compose.services["redis"]


def test_open_only_behind_a_port_of_this_host(compose: Compose) -> None:
    """A service that needs no keys is published on this host alone, and its address is one that would be refused otherwise."""
    api = compose.services["api"]

    assert ("true", "0.0.0.0") == tuple(api["environment"][f"VILEM_{name}"] for name in ("OPEN", "HOST"))
    assert all(port.startswith("127.0.0.1:") for port in api["ports"])


def test_keys_are_made_by_a_job(compose: Compose, tmp_path: Path) -> None:
    """`run keys create NAME` makes a key where the service looks for it."""
    words = [*compose.services["keys"]["entrypoint"], "create", "shop"][1:]
    home = compose.services["api"]["environment"]["VILEM_HOME"]

    result = CliRunner().invoke(app, words, env={"VILEM_HOME": str(tmp_path)})

    assert 0 == result.exit_code, result.output
    assert Settings(home=tmp_path).keys_file == tmp_path / "keys.json"
    assert f"data:{home}" in compose.services["keys"]["volumes"]


def test_pictures_are_never_written(compose: Compose) -> None:
    """The corpus is mounted read-only wherever it is mounted, at one place: the service shows what the job indexed."""
    mounts = [volume for service in compose.ours().values() for volume in service["volumes"] if "/corpus" in volume]

    assert len(mounts) >= 2
    assert {"corpus:/corpus:ro"} == set(mounts)


def test_only_jobs_write_data(compose: Compose) -> None:
    """The service mounts the data read-only, the jobs mount the same volume to write, and a job has no network."""
    jobs = {name: service for name, service in compose.ours().items() if name != "api"}

    assert "data:/data:ro" in compose.services["api"]["volumes"]
    for name, service in jobs.items():
        assert "data:/data" in service["volumes"], name
        assert "none" == service["network_mode"], name


def test_up_starts_the_service_and_its_cache(compose: Compose) -> None:
    """`up` starts the api and redis and nothing else; both come back after a restart of the host."""
    started = {name: service for name, service in compose.services.items() if "profiles" not in service}

    assert {"api", "redis"} == started.keys()
    assert {"unless-stopped"} == {service["restart"] for service in started.values()}


def test_redis_is_a_cache(compose: Compose) -> None:
    """Redis is bounded below its container's memory, evicts, and keeps nothing on disk."""
    words = shlex.split(compose.services["redis"]["command"])
    options = dict(zip(words[1::2], words[2::2], strict=True))

    assert ("allkeys-lru", "", "no") == (options["--maxmemory-policy"], options["--save"], options["--appendonly"])
    assert int(options["--maxmemory"].removesuffix("mb")) < int(
        compose.services["redis"]["mem_limit"].removesuffix("m")
    )


def test_redis_is_set_as_the_page_says(compose: Compose) -> None:
    """docs/cache.md shows the settings that the file has."""
    page = (ROOT / "docs" / "cache.md").read_text()
    words = shlex.split(compose.services["redis"]["command"])
    options = dict(zip(words[1::2], words[2::2], strict=True))

    for name in ("maxmemory", "maxmemory-policy", "appendonly"):
        assert f"\n{name} {options[f'--{name}']}\n" in page


def test_decoding_fits_into_the_memory(compose: Compose) -> None:
    """As many pictures as are decoded at a time, the largest there may be, take no more than the container has."""
    api = compose.services["api"]
    decoders = int(api["environment"]["VILEM_DECODE_THREADS"])

    assert decoders * 16 * Settings.model_fields["max_pixels"].default < int(api["mem_limit"].removesuffix("g")) * 2**30


def test_the_jobs_command_is_one_of_ours(compose: Compose, tmp_path: Path) -> None:
    """What `run index` does by default is a command of `vilem`, with a model that is in the image."""
    service = compose.services["index"]
    words = [*service["entrypoint"], *service["command"]][1:]
    words[words.index("/corpus")] = str(tmp_path / "nothing")

    # a missing folder is found after the command line was understood
    result = CliRunner().invoke(app, words, env={"VILEM_HOME": str(tmp_path)})

    assert isinstance(result.exception, SourceError), result.output
    assert (BUILT_IN / words[words.index("--model") + 1]).is_dir()


def test_the_health_check_asks_a_route(compose: Compose) -> None:
    """The path in the health check is one that the service answers, on the port it binds."""
    command = " ".join(compose.services["api"]["healthcheck"]["test"])
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", command)
    assert found is not None

    assert compose.services["api"]["environment"]["VILEM_PORT"] == found[1]
    assert found[2] in create_app(Settings()).openapi()["paths"]


def test_settings_are_real(compose: Compose) -> None:
    """Every VILEM_ variable that is set is one that the service reads."""
    named = {name for service in compose.ours().values() for name in service.get("environment", {})}

    assert named
    assert set() == named - settings_fields()


def test_the_page_names_every_variable(compose: Compose) -> None:
    """docs/docker.md has a row for each variable of the file, with its default."""
    rows = table_rows()

    assert compose.variables
    for name, default in compose.variables.items():
        # an empty folder stands in for the pictures
        assert ("none" if name == "CORPUS" else f"`{default}`") == rows.get(name), name


def test_the_page_names_real_settings() -> None:
    """docs/docker.md names no VILEM_ variable that the service does not read, and gives its true defaults."""
    page = PAGE.read_text()
    shown = {name: default for name, default in table_rows().items() if name.startswith("VILEM_")}

    assert set() == set(re.findall(r"VILEM_[A-Z_]+", page)) - settings_fields()
    assert shown
    for name, default in shown.items():
        field = Settings.model_fields[name.removeprefix("VILEM_").lower()]
        assert f"`{field.default}`" == default, name
