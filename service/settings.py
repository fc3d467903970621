"""Every setting of the service, read once from `VILEM_*` variables; the only reader of the environment."""

import difflib
import logging
import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.guard.addresses import HostRule, parse_network
from service.guard.keys import FILE_NAME


def _split(value: object) -> object:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _hosts(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        HostRule.parse(name)
    return names


def _redis(address: str | None) -> str | None:
    # `--redis-url ""` says that there is none
    if address and not re.match(r"(rediss?|unix)://", address):
        raise ValueError("this is no address of a Redis: write redis://host:6379/0, rediss://… or unix://…")
    return address or None


def _collector(address: str | None) -> str | None:
    if address and not re.match(r"https?://[^/?#]", address, re.IGNORECASE):
        raise ValueError(
            f"{address[:100]!r} is no address that traces can be sent to, in VILEM_OTLP or OTEL_EXPORTER_OTLP_ENDPOINT: write "
            "http://collector:4318, by http or https"
        )
    return address


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        # as requests name us, and `TrustedHosts` compares: to the letter, and without a port
        if not re.fullmatch(r"\*|[\w.-]+|\[[\da-f:.]+\]", name, re.ASCII | re.IGNORECASE):
            raise ValueError(
                f"{name[:100]!r} is no name that requests come under: write search.example.com, 10.0.0.5 or [::1], without "
                "http:// or a port; or * alone for any"
            )
    return names


def _origins(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_origin(name) for name in names)


def _origin(name: str) -> str:
    """As browsers write it: in lower case, and without the port that its scheme has anyway (RFC 6454, 6.2)."""
    found = re.fullmatch(r"(https?)://([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?", name.lower(), re.ASCII)
    if found is None:
        raise ValueError(
            f"{name!r} is no origin: write https://shop.example, and each by itself, for * would let all in"
        )
    scheme, host, port = found.groups()
    usual = {"http": ":80", "https": ":443"}[scheme]
    return f"{scheme}://{host}{'' if port in (None, usual) else port}"


def _networks(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            parse_network(name)
        except ValueError:
            raise ValueError(f"{name!r} is no network: write {_meant(name)}") from None
    return names


def _meant(name: str) -> str:
    try:
        return f"{ip_network(name, strict=False)}, without the host's part"
    except ValueError:
        return "its address and how many bits of it count: 10.1.0.0/16"


_PREFIX = "VILEM_"
_LISTED = "docs/api.md lists them all"
# How much of a name must be right for it to be a misspelt one: the prefix alone is a third of many.
_ALIKE = 0.8
_log = logging.getLogger("vilem.service")

# NoDecode: pydantic-settings would want JSON
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """Settings of one service; frozen. Environment variables have the field's name after `VILEM_`; empty ones are not set."""

    # a variable that is empty is how a container says that there is none: of a path it would be the folder we stand in
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        # what is wrong with a setting is told by its name: `vilem` puts our prefix before it
        loc_by_alias=False,
    )

    home: Path = Field(default=Path.home() / ".local/share/vilem", description="Folder with bundles/ and collections/.")
    host: str = Field(default="127.0.0.1", description="Address to bind; beyond loopback it needs keys, or VILEM_OPEN.")
    keys: Path | None = Field(
        default=None,
        description="File of the API keys that `vilem keys` makes (docs/security.md); not set: keys.json in VILEM_HOME.",
    )
    open: bool = Field(
        default=False,
        description="Whether a service without keys may be bound to an address that others reach: then anyone may use it.",
    )
    allowed_hosts: Annotated[Names, AfterValidator(_names)] = Field(
        default=(),
        description="Names that requests may come under, parted by commas; none: the loopback names when bound to a "
        "loopback address, else any (*). Guards a local service from web pages.",
    )
    cors_origins: Annotated[Names, AfterValidator(_origins)] = Field(
        default=(),
        description="Web sites whose pages may ask this service, parted by commas: https://shop.example; none = the own page alone.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to bind.")
    redis_url: Annotated[str | None, AfterValidator(_redis)] = Field(
        default=None, description="Redis for the cache, shared by replicas; without it each process caches alone."
    )
    models: Names = Field(
        default=(),
        description="Names of bundles to load beside those of the collections, for /v1/embeddings; parted by commas.",
    )
    variant: Literal["fp32", "fp16", "int8", "auto"] = Field(
        default="fp32",
        description="Precision of the bundles: fp32, fp16, int8; or auto: int8 on a CPU with VNNI, fp16 on a GPU, where the "
        "bundle has it and its vectors are nearly fp32's (cosine of 0.98).",
    )
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        default="auto",
        description="What models run on: auto is CUDA where there is a card and onnxruntime-gpu, else the CPU; tensorrt builds "
        "engines when a bundle is first loaded, and keeps them.",
    )
    threads: int = Field(default=0, ge=0, description="ONNX Runtime threads in an operator; 0 = one for each core.")
    side_by_side: bool = Field(
        default=True,
        description="Whether, on two cores and once a model often has two batches at a time, each runs on a core of its own: a tenth "
        "more are answered, and the model's weights are in memory twice.",
    )
    decode_threads: int = Field(
        default=0, ge=0, description="Images decoded at a time, each may take 16 bytes a pixel; 0 = one for each core."
    )
    max_batch: int = Field(
        default=32, ge=1, description="Most inputs in one inference; larger adds latency, hardly throughput, on CPUs."
    )
    max_queue: int = Field(
        default=512, ge=1, description="Most inputs waiting for a model, a bound of memory; beyond it callers get 429."
    )
    max_wait_s: float = Field(
        default=0.4,
        gt=0,
        description="Longest wait for decoding, a model or a search that is expected of a request somebody watches: beyond it "
        "callers get 429, and how long to stay away. Two batches are always let wait, and so is what is less urgent (Priority: u=5).",
    )
    deadline_s: float = Field(
        default=10.0,
        gt=0,
        description="A request that is not answered so long after its body came is dropped with 503.",
    )
    max_body_bytes: int = Field(
        default=32 * 2**20, ge=1024, description="Largest request body; six such may be held at a time."
    )
    max_inputs: int = Field(
        default=256,
        ge=1,
        description="Most texts and pictures that one request may have embedded, all its searches together; a long text counts "
        "with each of its pieces, captions that are re-ranked count too, ten pictures as one.",
    )
    max_pixels: int = Field(default=50_000_000, ge=1, description="Largest query image, width x height.")
    url_hosts: Annotated[Names, AfterValidator(_hosts)] = Field(
        default=(),
        description="Hosts that pictures may be fetched from by their address, parted by commas: images.example.com, "
        "*.example.com, http://host:8080; none = nothing is fetched.",
    )
    url_networks: Annotated[Names, AfterValidator(_networks)] = Field(
        default=(),
        description="Networks that are not the internet's, and may be fetched from all the same: 10.1.0.0/16; parted by commas.",
    )
    max_text_chars: int = Field(
        default=20_000, ge=1, description="Longest text; one beyond the model's context is read sentence by sentence."
    )
    cache_bytes: int = Field(
        default=64 * 2**20,
        ge=0,
        description="Memory of the cache in the process; thumbnails take half as much again; 0 = none.",
    )
    cache_ttl_s: int = Field(default=86_400, ge=1, description="How long Redis keeps an entry.")
    redis_timeout_s: float = Field(
        default=0.02, gt=0, description="Longest wait of a request for Redis before going on without."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="From which level on JSON lines are written to stderr."
    )
    log_text: bool = Field(
        default=False,
        description="Whether the log's line of a request has the texts that the client sent; needs VILEM_LOG_LEVEL=info.",
    )
    otlp: Annotated[str | None, AfterValidator(_collector)] = Field(
        default=None,
        validation_alias=AliasChoices("vilem_otlp", "otel_exporter_otlp_endpoint"),
        description="Base address of an OTLP/HTTP collector for traces; OTEL_EXPORTER_OTLP_ENDPOINT is read too.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that answer on one port. Each has its own models, queues and cache; snapshots are mapped once.",
    )
    drain_s: float = Field(
        default=8.0,
        gt=0,
        description="Longest time from SIGTERM to the end. Docker kills after 10 s, Kubernetes after 30.",
    )
    linger_s: float = Field(
        default=1.0,
        ge=0,
        description="How long of it, at most half, new connections are still answered: for load balancers that have not yet "
        "asked /readyz.",
    )
    max_connections: int = Field(
        default=10_000, ge=1, description="Most connections at a time; beyond it the longest idle one is closed."
    )
    poll_s: float = Field(
        default=1.0,
        gt=0,
        description="How often newly published snapshots, and what other processes wrote, are looked for: a write to another "
        "replica is seen after so many seconds at most, and the time it takes to read it.",
    )
    max_tail: int = Field(
        default=100_000,
        ge=1,
        description="Most vectors of a kind, written since the snapshot, that are searched without an index: each costs 4 d bytes "
        "and its share of every search. Beyond, a collection stays as it is shown until it is published.",
    )
    publish_rows: int = Field(
        default=20_000,
        ge=0,
        description="From so many vectors written or dead since its snapshot on a collection is published anew, in a process of "
        "low priority; 0 = never: then `vilem index publish` must be run.",
    )
    writes: bool | None = Field(
        default=None,
        description="Whether items may be put and removed by requests; not set: by keys with the scope write, and without "
        "keys only when bound to a loopback address.",
    )
    max_write_items: int = Field(default=256, ge=1, description="Most items in one request that puts or removes them.")
    search_device: Literal["auto", "cpu", "gpu"] = Field(
        default="auto",
        description="Where snapshots are searched: gpu, cpu, or auto: on the machine's GPUs where they fit into their memory.",
    )
    verify: bool = Field(
        default=True, description="Compare bundles and snapshots with their SHA-256 when they are opened."
    )
    milvus_token: SecretStr = Field(
        default=SecretStr(""),
        description="user:password or API key of the Milvus that collections were pushed to; see docs/milvus.md.",
    )

    @property
    def keys_file(self) -> Path:
        """Where the keys are, or would be."""
        return self.keys or self.home / FILE_NAME


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that look like settings and are none, each with the setting that it is nearest to, if there is one."""
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    # an empty one says that there is none
    given = (name for name, value in environment.items() if value and name.upper().startswith(_PREFIX))
    return {
        name: next(iter(difflib.get_close_matches(name.upper(), known, 1, _ALIKE)), None)
        for name in sorted(given)
        if name.upper() not in known
    }


def warn_of_unknown() -> None:
    """Say in the log which variables are ignored: who misspelt one believes that it holds."""
    for name, near in unknown_variables(os.environ).items():
        _log.warning("%s is no setting, and ignored: %s", name, f"is {near} meant?" if near else _LISTED)
