"""Sessions: providers, threads, what a graph must accept, and what is said of a broken one."""

# pyright: reportPrivateUsage=false

import os
from pathlib import Path
from typing import ClassVar

import onnxruntime
import pytest

from models import ort
from models.errors import BundleInvalid, ModelError
from models.ort import Device, Port, Runtime, available_cores, choose_providers, expect_ports, free_bytes, open_session
from models.tensorrt import image_engine

PIXELS = Port("pixels", ("tensor(uint8)",), (None, 32, 32, 3))
ANSWER = Port("embedding", ("tensor(float)",), (None, 16))


@pytest.fixture
def graph(tiny_bundle: Path) -> Path:
    """The tiny bundle's image tower."""
    return tiny_bundle / "image.fp32.onnx"


ALL = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


def there(monkeypatch: pytest.MonkeyPatch, names: list[str], *, card: bool = True) -> None:
    """A build of ONNX Runtime with these providers, on a machine with a card or without."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(ort, "has_card", lambda: card)


@pytest.mark.parametrize(
    ("names", "card", "expected"),
    [
        (["AzureExecutionProvider", "CPUExecutionProvider"], True, ALL[2:]),
        (ALL, True, ALL[1:]),
        (ALL, False, ALL[2:]),
    ],
)
def test_cuda_then_cpu(monkeypatch: pytest.MonkeyPatch, names: list[str], card: bool, expected: list[str]) -> None:
    """Left open, the choice is CUDA where the build has it and the machine a card, then the CPU; TensorRT must be asked for."""
    there(monkeypatch, names, card=card)

    assert expected == choose_providers("auto")


@pytest.mark.parametrize(("device", "expected"), [("cpu", ALL[2:]), ("cuda", ALL[1:]), ("tensorrt", ALL)])
def test_what_a_device_leaves_the_next_one_takes(
    monkeypatch: pytest.MonkeyPatch, device: Device, expected: list[str]
) -> None:
    """Each device's operators are followed by those of the devices that can do more."""
    there(monkeypatch, ALL)

    assert expected == choose_providers(device)


@pytest.mark.parametrize(
    ("device", "names", "missing"),
    [("cuda", ALL[2:], ALL[1]), ("tensorrt", ALL[1:], ALL[0]), ("tensorrt", ALL[2:], "TensorrtEx.*, CUDAEx")],
)
def test_a_missing_provider_is_an_error(
    monkeypatch: pytest.MonkeyPatch, device: Device, names: list[str], missing: str
) -> None:
    """A device that was asked for is never silently replaced; the message names what lacks and what to install."""
    there(monkeypatch, names)

    with pytest.raises(ModelError, match=f"{device} needs {missing}.*install onnxruntime-gpu"):
        choose_providers(device)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 1),
        ("50000 100000\n", 1),
        ("max 100000", None),
        ("", None),
        ("1 0", None),
    ],
)
def test_quota_of_a_container(tmp_path: Path, content: str, expected: int | None) -> None:
    """A control group's quota counts as whole cores; no limit and odd files count as none."""
    path = tmp_path / "cpu.max"
    path.write_text(content)

    assert expected == ort._quota(path)


def test_no_quota_file(tmp_path: Path) -> None:
    """Machines without control groups have no quota."""
    assert ort._quota(tmp_path / "cpu.max") is None


@pytest.mark.parametrize(("quota", "expected"), [(1, 1), (None, 3), (64, 3)])
def test_cores_are_affinity_and_quota(monkeypatch: pytest.MonkeyPatch, quota: int | None, expected: int) -> None:
    """At most what both affinity and quota allow."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(ort, "_quota", lambda _: quota)

    assert expected == available_cores()


@pytest.mark.parametrize(
    ("limit", "anon", "expected"),
    [
        ("max", "anon 5", 8192),
        ("6000", "file 9000\nanon 1000\n", 5000),
        ("900000", "anon 0", 8192),
        ("10", "anon 20", 0),
    ],
)
def test_free_memory_is_the_machine_s_and_the_container_s(tmp_path: Path, limit: str, anon: str, expected: int) -> None:
    """The least of what the machine has and the container's limit leaves, whose files' pages do not count; never below none."""
    (tmp_path / "meminfo").write_text("MemTotal:  64 kB\nMemAvailable:  8 kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.stat").write_text(anon)

    assert expected == free_bytes(tmp_path / "meminfo", tmp_path)


@pytest.mark.parametrize(("content", "expected"), [("MemAvailable: 8 kB", 8192), ("", 0), ("MemAvailable:", 0)])
def test_free_memory_without_a_container(tmp_path: Path, content: str, expected: int) -> None:
    """Without a control group the machine's memory counts; where nobody tells it there is none."""
    (tmp_path / "meminfo").write_text(content)

    assert expected == free_bytes(tmp_path / "meminfo", tmp_path / "no group")
    assert 0 == free_bytes(tmp_path / "no file", tmp_path)


@pytest.mark.parametrize(("threads", "spin"), [(0, False), (1, True)])
def test_options_reach_the_session(graph: Path, threads: int, spin: bool) -> None:
    """Threads, memory pattern and spinning are what the session runs with; 0 threads never means "pin to all"."""
    session = open_session(graph, Runtime(threads=threads, spin=spin), memory_pattern=spin)
    options = session.get_session_options()

    assert (threads or available_cores()) == options.intra_op_num_threads
    assert spin == options.enable_mem_pattern
    assert str(int(spin)) == options.get_session_config_entry("session.intra_op.allow_spinning")


@pytest.mark.parametrize(("name", "level"), [("image.fp16.onnx", "ORT_ENABLE_BASIC"), ("image.onnx", "ORT_ENABLE_ALL")])
def test_half_precision_is_not_fused_on_a_cpu(graph: Path, tmp_path: Path, name: str, level: str) -> None:
    """A half-precision graph runs with basic optimisations on the CPU, whose fusions of it end the process."""
    path = tmp_path / name
    path.write_bytes(graph.read_bytes())
    for data in graph.parent.glob("*.data"):
        (tmp_path / data.name).write_bytes(data.read_bytes())

    options = open_session(path, Runtime(), memory_pattern=False).get_session_options()

    assert getattr(onnxruntime.GraphOptimizationLevel, level) == options.graph_optimization_level


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_half_precision_is_not_fused_where_cuda_does_not_start(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA built in and a card there are not yet CUDA: where a library is missing all comes to the CPU, which must not fuse."""
    there(monkeypatch, ALL)
    path = tmp_path / "image.fp16.onnx"
    path.write_bytes(graph.read_bytes())

    session = open_session(path, Runtime(), memory_pattern=False)

    assert ALL[2:] == session.get_providers()
    level = session.get_session_options().graph_optimization_level
    assert onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC == level


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x08", None])
def test_a_broken_graph_is_named(tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]) -> None:
    """What does not load is reported with its path and what to do, as an exception and not on stderr."""
    path = tmp_path / "text.onnx"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BundleInvalid, match=r"text\.onnx does not load .* export the bundle again"):
        open_session(path, Runtime(), memory_pattern=False)

    assert "" == capfd.readouterr().err


def test_a_cut_graph_is_named(tmp_path: Path, graph: Path) -> None:
    """Half a graph does not load as a smaller one."""
    path = tmp_path / "image.onnx"
    path.write_bytes(graph.read_bytes()[:-200])

    with pytest.raises(BundleInvalid, match=r"image\.onnx"):
        open_session(path, Runtime(), memory_pattern=True)


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize(("device", "expected"), [("cuda", "cuDNN"), ("tensorrt", "tensorrt-cu12")])
def test_a_device_that_does_not_start_is_an_error(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: Device, expected: str
) -> None:
    """A build with CUDA on a machine without falls back to the CPU only when the choice was left open."""
    there(monkeypatch, ALL)
    engine = image_engine(tmp_path, 32)

    assert ALL[2:] == open_session(graph, Runtime(), memory_pattern=True).get_providers()
    with pytest.raises(ModelError, match=f"does not start here: it needs .*{expected}"):
        open_session(graph, Runtime(device=device), memory_pattern=True, engine=engine)


class Told(onnxruntime.InferenceSession):
    """Notes what it is told of providers, and runs on the CPU all the same."""

    providers: ClassVar[list[object]] = []

    def __init__(self, path: Path, options: onnxruntime.SessionOptions, providers: list[object]) -> None:
        """As the session it stands for."""
        Told.providers = providers
        super().__init__(path, options, providers=ALL[2:])

    def get_providers(self) -> list[str]:
        """As on a machine that has them all."""
        return ALL


@pytest.mark.parametrize("name", ["image.onnx", "image.fp16.onnx"])
def test_tensorrt_is_told_of_its_engine(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With an engine its options come with the provider, half precision for such graphs alone; a graph without one is CUDA's."""
    there(monkeypatch, ALL)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Told)
    path, engine = tmp_path / name, image_engine(tmp_path, 32)
    path.write_bytes(graph.read_bytes())

    open_session(path, Runtime(device="tensorrt"), memory_pattern=True, engine=engine)
    assert [(ALL[0], engine.options(half="fp16" in name)), *ALL[1:]] == Told.providers

    open_session(path, Runtime(device="tensorrt"), memory_pattern=True)
    assert ALL[1:] == Told.providers


def test_the_contract_of_a_tower_is_met(graph: Path) -> None:
    """A graph with the promised input and output passes."""
    expect_ports(open_session(graph, Runtime(), memory_pattern=True), graph, [PIXELS], [ANSWER])


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (Port("image", PIXELS.types, PIXELS.shape), ANSWER),
        (Port("pixels", ("tensor(float)",), PIXELS.shape), ANSWER),
        (Port("pixels", PIXELS.types, (None, 64, 64, 3)), ANSWER),
        (Port("pixels", PIXELS.types, (None, None, 32, 3)), ANSWER),
        (Port("pixels", PIXELS.types, (None, 32, 32)), ANSWER),
        (PIXELS, Port("vector", ANSWER.types, ANSWER.shape)),
        (PIXELS, Port("embedding", ANSWER.types, (None, 512))),
    ],
)
def test_another_contract_is_refused(graph: Path, given: Port, answer: Port) -> None:
    """Another name, type, rank or size, or a fixed size where it must be dynamic, is found at opening."""
    session = open_session(graph, Runtime(), memory_pattern=True)

    with pytest.raises(BundleInvalid, match=r"image\.fp32\.onnx has .* wanted"):
        expect_ports(session, graph, [given], [answer])


def test_every_port_is_looked_at(graph: Path) -> None:
    """A graph with an input that nobody promised, or without one that was, is refused."""
    session = open_session(graph, Runtime(), memory_pattern=True)

    for given, answers in (([], [ANSWER]), ([PIXELS, Port("ids", ("tensor(int64)",), (None,))], [ANSWER])):
        with pytest.raises(BundleInvalid, match="has input"):
            expect_ports(session, graph, given, answers)
    with pytest.raises(BundleInvalid, match=r"has output .*'patches'"):
        expect_ports(session, graph, [PIXELS], [ANSWER, Port("patches", ANSWER.types, ANSWER.shape)])
