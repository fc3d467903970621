"""The one place that knows ONNX Runtime: providers, threads, memory, and what a graph must accept and answer."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from models.errors import BundleInvalid, ModelError

_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")

# Only fatal messages: everything below is raised as an exception, and would be written to stderr as well.
_LOG_FATAL = 4


@dataclass(frozen=True)
class Runtime:
    """How sessions run.

    Attributes:
        threads: threads inside one operator; 0 = one for each core this process may use.
        providers: execution providers in order of preference, each of which must be there; None = CUDA where it is
            there, then the CPU.
        spin: let idle threads burn their core while they wait for the next operator. On idle cores that answers up to
            7 % sooner; beside one busy core (decoding, another session) it costs 25-70 % (docs/preprocessing.md), and
            a service and an embedding job always have other work beside.
    """

    threads: int = 0
    providers: tuple[str, ...] | None = None
    spin: bool = False


@dataclass(frozen=True)
class Port:
    """One input or output of a graph.

    Attributes:
        name: by which it is fed or asked for.
        types: element types it may have, as ONNX Runtime spells them.
        shape: None = any size, which must be dynamic; a number = that size, or dynamic.
    """

    name: str
    types: tuple[str, ...]
    shape: tuple[int | None, ...]


def available_cores() -> int:
    """Cores this process may use: its affinity, and the quota of its control group (a container's `--cpus`)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(affinity, _quota(Path("/sys/fs/cgroup/cpu.max")) or affinity)


def _quota(path: Path) -> int | None:
    """Whole cores, at least one, that a `cpu.max` file ("200000 100000") grants; None without a limit."""
    try:
        allowed, period = path.read_text().split()
        return max(1, int(allowed) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        # no such file, or "max 100000"
        return None


def choose_providers(wanted: Sequence[str] | None) -> list[str]:
    """The execution providers to use, in order.

    Raises:
        ModelError: one that was asked for is not in this build of ONNX Runtime.
    """
    there = onnxruntime.get_available_providers()
    if wanted is None:
        return [name for name in _PREFERRED if name in there]
    missing = [name for name in wanted if name not in there]
    if missing or not wanted:
        raise ModelError(
            f"ONNX Runtime has no {', '.join(missing) or 'provider chosen'}: choose among {', '.join(there)}, "
            "or install onnxruntime-gpu in place of onnxruntime"
        )
    return list(wanted)


def open_session(path: Path, runtime: Runtime, *, memory_pattern: bool) -> onnxruntime.InferenceSession:
    """Load an ONNX graph; its weights, when they lie beside it as external data, are mapped and not copied.

    Args:
        path: the `.onnx` file.
        runtime: threads and providers.
        memory_pattern: plan the memory of a run once for each input shape. Good where few shapes occur (images);
            texts have as many shapes as batch sizes times lengths, and each plan would be kept for ever.

    Raises:
        BundleInvalid: the graph does not load.
        ModelError: a provider that was asked for is missing or does not start.
    """
    providers = choose_providers(runtime.providers)
    options = onnxruntime.SessionOptions()
    # never 0: ONNX Runtime would count the cores of the machine, not ours, and pin its threads to them
    options.intra_op_num_threads = runtime.threads or available_cores()
    options.enable_mem_pattern = memory_pattern
    options.log_severity_level = _LOG_FATAL
    if ".fp16." in path.name and providers == ["CPUExecutionProvider"]:
        # ONNX Runtime 1.31.1 crashes the process when it fuses half-precision nodes for the CPU
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if runtime.spin else "0")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:
        # ONNX Runtime's exceptions have no base in common but Exception
        raise BundleInvalid(
            f"{path} does not load in ONNX Runtime {onnxruntime.__version__} ({error}): export the bundle again"
        ) from error
    if runtime.providers is not None and runtime.providers[0] not in session.get_providers():
        raise ModelError(
            f"{runtime.providers[0]} does not start here: is its driver installed? Or leave the choice open"
        )
    return session


def expect_ports(
    session: onnxruntime.InferenceSession, path: Path, given: Sequence[Port], answers: Sequence[Port]
) -> None:
    """Check that a graph has the inputs *given* and no other, and the outputs *answers*.

    Raises:
        BundleInvalid: naming what differs.
    """
    for kind, found, wanted in (
        ("input", session.get_inputs(), given),
        ("output", session.get_outputs(), answers),
    ):
        seen = {port.name: (port.type, tuple(port.shape)) for port in found}
        fits = all(port.name in seen and _fits(*seen[port.name], port) for port in wanted)
        if not fits or (kind == "input" and len(seen) != len(wanted)):
            promised = ", ".join(f"{port.name!r} {' or '.join(port.types)} {port.shape}" for port in wanted)
            raise BundleInvalid(
                f"{path} has {kind} {seen}, wanted {promised} (None = dynamic): export the bundle again"
            )


def _fits(found_type: str, found: tuple[object, ...], wanted: Port) -> bool:
    if found_type not in wanted.types or len(found) != len(wanted.shape):
        return False
    return all(not isinstance(size, int) or size == need for size, need in zip(found, wanted.shape, strict=True))
