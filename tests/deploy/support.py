"""The deployment's files, read; and a container engine, when there is one."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}")


@dataclass(frozen=True)
class Compose:
    """docker-compose.yml, with the defaults in place of its variables."""

    services: dict[str, dict[str, Any]]
    variables: dict[str, str]

    @classmethod
    def read(cls) -> "Compose":
        """The file of this repository."""
        text = (ROOT / "docker-compose.yml").read_text()
        variables = {found["name"]: found["default"] for found in _VARIABLE.finditer(text)}
        parsed = cast("dict[str, Any]", yaml.safe_load(_VARIABLE.sub(r"\g<default>", text)))
        return cls(parsed["services"], variables)

    def ours(self) -> dict[str, dict[str, Any]]:
        """The services that run this repository's image."""
        return {name: service for name, service in self.services.items() if "build" in service}


@dataclass(frozen=True)
class Stage:
    """One stage of the Dockerfile: its instructions, each with its arguments on one line."""

    name: str
    instructions: list[tuple[str, str]]

    def all(self, word: str) -> list[str]:
        """Arguments of every instruction of that name."""
        return [arguments for name, arguments in self.instructions if name == word]

    def copied(self) -> list[str]:
        """What is copied from the build context."""
        sources = [copy.split()[:-1] for copy in self.all("COPY") if not copy.startswith("--from=")]
        return [source for each in sources for source in each]


def stages() -> list[Stage]:
    """The stages of the Dockerfile, in order."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, arguments = line.partition(" ")
        if word == "FROM":
            found.append(Stage(arguments.partition(" AS ")[2] or "final", []))
        found[-1].instructions.append((word, " ".join(arguments.split())))
    return found


def engine() -> list[str] | None:
    """The command that runs docker-compose.yml on this machine; None when there is none."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["podman-compose"] if shutil.which("podman-compose") else None
