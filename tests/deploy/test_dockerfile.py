"""Dockerfile: what the image may not lose, read from the file."""

import json
import re
import tomllib

from tests.deploy.support import ROOT, stages

PACKAGES = ["vilem", "service", "models", "index"]


def test_it_does_not_run_as_root() -> None:
    """The image's user is a number other than 0: an orchestrator can tell that it is not root."""
    (user,) = stages()[-1].all("USER")

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_signals_reach_the_program() -> None:
    """Entry point and command are lists: no shell stands between `stop` and the service."""
    final = stages()[-1]

    assert (["vilem"], ["serve"]) == (json.loads(final.all("ENTRYPOINT")[0]), json.loads(final.all("CMD")[0]))


def test_a_change_of_code_installs_no_dependencies() -> None:
    """The stage that installs them copies nothing but the constraints; the list comes out of another stage."""
    (dependencies,) = [stage for stage in stages() if stage.name == "dependencies"]

    assert ["constraints.txt"] == dependencies.copied()


def test_versions_are_those_that_were_tested() -> None:
    """Every installation is held by constraints.txt, or takes what this build made and nothing else."""
    commands = [command for stage in stages() for run in stage.all("RUN") for command in run.split("&&")]
    installs = [each for each in commands if re.search(r"\bpip .*\b(install|wheel) ", each)]

    assert len(installs) >= 3
    assert [] == [each for each in installs if "-c constraints.txt" not in each and "--no-deps" not in each]


def test_every_setting_works_in_the_image() -> None:
    """What the service imports for a setting is installed, and the build fails without it: the image is read-only."""
    (listed,) = [stage for stage in stages() if stage.name == "requirements"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    taken = set(re.findall(r"extras\['(\w+)'\]", listed.all("RUN")[0]))

    assert {"cpu", "trace"} == taken & project["optional-dependencies"].keys() == taken
    assert "opentelemetry.exporter.otlp.proto.http.trace_exporter" in " ".join(stages()[-1].all("RUN"))


def test_the_image_holds_the_packages() -> None:
    """The wheel is made of the packages that pyproject.toml names, and the image takes no source beside it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel, final = stages()[-2:]

    assert PACKAGES == project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(PACKAGES) <= set(wheel.copied())
    assert [] == final.copied()


def test_nothing_else_is_sent_to_the_builder() -> None:
    """.dockerignore leaves out everything but what the Dockerfile copies: no .env, no .git, no pictures."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" == lines[0]
    assert {source for stage in stages() for source in stage.copied()} == allowed


def test_no_reports_are_sent() -> None:
    """ONNX Runtime's telemetry is off in the image: nothing asks the outside while it runs."""
    assert "ORT_DISABLE_TELEMETRY=1" in " ".join(stages()[-1].all("ENV"))


def test_the_image_alone_does_not_open_itself() -> None:
    """It binds every address and does not say that anyone may: without keys it refuses to start."""
    environment = " ".join(stages()[-1].all("ENV"))

    assert "VILEM_HOST=0.0.0.0" in environment
    assert "VILEM_OPEN" not in environment
