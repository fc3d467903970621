"""The one place that knows ONNX Runtime: providers, threads, memory, and what a graph must accept and answer."""

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnxruntime

from models.cuda import has_card
from models.errors import BundleInvalid, ModelError
from models.tensorrt import Engine

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

Device = Literal["auto", "cpu", "cuda", "tensorrt"]
# what a provider does not take the next one does
_PROVIDERS: Mapping[str, list[str]] = {"cpu": [CPU], "cuda": [CUDA, CPU], "tensorrt": [TENSORRT, CUDA, CPU]}
_NEEDS = {
    CUDA: "its driver, CUDA and cuDNN",
    TENSORRT: "TensorRT's libraries (pip install tensorrt-cu12, and their folder in LD_LIBRARY_PATH)",
}

# Only fatal messages: everything below is raised as an exception, and would be written to stderr as well.
_LOG_FATAL = 4


@dataclass(frozen=True)
class Runtime:
    """How sessions run.

    Attributes:
        threads: threads inside one operator; 0 = one for each core this process may use.
        device: what computes; auto: CUDA where there is a card and ONNX Runtime is built for it, else the CPU. With
            tensorrt the towers run on engines, and other graphs by CUDA.
        spin: let idle threads burn their core while they wait for the next operator. On idle cores that answers up to
            7 % sooner; beside one busy core (decoding, another session) it costs 25-70 % (docs/preprocessing.md), and
            a service and an embedding job always have other work beside.
        lanes: runs of a model that are side by side have a thread each, once many are (`models.lanes`); takes the
            weights a second time.
    """

    threads: int = 0
    device: Device = "auto"
    spin: bool = False
    lanes: bool = False


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


def free_bytes(machine: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory that this process may still take: the machine's, and what its control group (a container's `--memory`) leaves.

    0 where nobody knows, as on systems without those files.
    """
    free = _field(machine, "MemAvailable:") * 1024
    try:
        # of what the group has, files' pages go when they have to
        left = int((group / "memory.max").read_text()) - _field(group / "memory.stat", "anon")
    except (OSError, ValueError):
        # no such file, or "max"
        return free
    return max(0, min(free, left))


def _field(path: Path, name: str) -> int:
    """A number of a file that has one on each line, behind its name; 0 where there is none."""
    try:
        lines = (line.split() for line in path.read_text().splitlines())
        return next((int(line[1]) for line in lines if line and line[0] == name), 0)
    except (OSError, ValueError, IndexError):
        return 0


def choose_providers(device: Device) -> list[str]:
    """The execution providers to use, in order.

    Raises:
        ModelError: one that was asked for is not in this build of ONNX Runtime.
    """
    there = onnxruntime.get_available_providers()
    if device == "auto":
        return _PROVIDERS["cuda" if CUDA in there and has_card() else "cpu"]
    missing = [name for name in _PROVIDERS[device] if name not in there]
    if missing:
        raise ModelError(
            f"the device {device} needs {', '.join(missing)}, which this ONNX Runtime does not have (it has "
            f"{', '.join(there)}): install onnxruntime-gpu in place of onnxruntime, or choose the device cpu"
        )
    return _PROVIDERS[device]


def open_session(
    path: Path, runtime: Runtime, *, memory_pattern: bool, engine: Engine | None = None
) -> onnxruntime.InferenceSession:
    """Load an ONNX graph; its weights, when they lie beside it as external data, are mapped and not copied.

    Args:
        path: the `.onnx` file.
        runtime: threads and device.
        memory_pattern: plan the memory of a run once for each input shape. Good where few shapes occur (images);
            texts have as many shapes as batch sizes times lengths, and each plan would be kept for ever.
        engine: TensorRT's; without one the graph is run by CUDA where TensorRT is asked for.

    Raises:
        BundleInvalid: the graph does not load.
        ModelError: the device that was asked for is missing or does not start, or the engine's folder cannot be locked.
    """
    providers = choose_providers(runtime.device)
    if engine is None:
        providers = [name for name in providers if name != TENSORRT]
    options = onnxruntime.SessionOptions()
    # never 0: ONNX Runtime would count the cores of the machine, not ours, and pin its threads to them
    options.intra_op_num_threads = runtime.threads or available_cores()
    options.enable_mem_pattern = memory_pattern
    options.log_severity_level = _LOG_FATAL
    half = ".fp16." in path.name
    if half and not (CUDA in providers and _cuda_starts(path)):
        # ONNX Runtime 1.31.1 crashes the process when it fuses half-precision nodes for the CPU
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if runtime.spin else "0")
    told = [(name, engine.options(half=half)) if engine and name == TENSORRT else name for name in providers]
    try:
        with engine.building() if engine and TENSORRT in providers else nullcontext():
            session = onnxruntime.InferenceSession(path, options, providers=told)
    except ModelError:
        raise
    except Exception as error:
        # ONNX Runtime's exceptions have no base in common but Exception
        raise BundleInvalid(
            f"{path} does not load in ONNX Runtime {onnxruntime.__version__} ({error}): export the bundle again"
        ) from error
    if runtime.device != "auto" and providers[0] not in session.get_providers():
        raise ModelError(
            f"{providers[0]} does not start here: it needs {_NEEDS[providers[0]]}. Install what is missing, or choose "
            "another device"
        )
    return session


def _cuda_starts(path: Path) -> bool:
    """Whether a graph comes to run by CUDA: built in and a card there it may still lack a library, and leave all to the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _LOG_FATAL
    try:
        return CUDA in onnxruntime.InferenceSession(path, options, providers=[CUDA, CPU]).get_providers()
    except Exception:  # noqa: BLE001 - they have no base in common; whoever opens the graph next tells what is wrong with it
        return False


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
