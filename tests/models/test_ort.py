"""Sessions: providers, threads, what a graph must accept, and what is said of a broken one."""

# pyright: reportPrivateUsage=false

import os
from pathlib import Path

import onnxruntime
import pytest

from models import ort
from models.errors import BundleInvalid, ModelError
from models.ort import Port, Runtime, available_cores, choose_providers, expect_ports, open_session

PIXELS = Port("pixels", ("tensor(uint8)",), (None, 32, 32, 3))
ANSWER = Port("embedding", ("tensor(float)",), (None, 16))


@pytest.fixture
def graph(tiny_bundle: Path) -> Path:
    """The tiny bundle's image tower."""
    return tiny_bundle / "image.fp32.onnx"


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["AzureExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]),
        (
            ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
        ),
    ],
)
def test_cuda_then_cpu(monkeypatch: pytest.MonkeyPatch, there: list[str], expected: list[str]) -> None:
    """Left open, the choice is CUDA where the build has it, then the CPU, and nothing else."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)

    assert expected == choose_providers(None)


def test_chosen_providers_are_kept_in_order() -> None:
    """Providers named by the caller are used as named."""
    wanted = ("CPUExecutionProvider", "AzureExecutionProvider")

    assert list(wanted) == choose_providers(wanted)


@pytest.mark.parametrize("wanted", [("NoSuchProvider",), ("CPUExecutionProvider", "NoSuchProvider"), ()])
def test_a_missing_provider_is_an_error(wanted: tuple[str, ...]) -> None:
    """A provider that was asked for is never silently replaced; the message lists those there are."""
    with pytest.raises(ModelError, match="CPUExecutionProvider"):
        choose_providers(wanted)


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
def test_a_provider_that_does_not_start_is_an_error(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build with CUDA on a machine without falls back to the CPU only when the choice was left open."""
    cuda = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: cuda)
    session = open_session(graph, Runtime(), memory_pattern=True)

    assert ["CPUExecutionProvider"] == session.get_providers()
    with pytest.raises(ModelError, match="does not start"):
        open_session(graph, Runtime(providers=tuple(cuda)), memory_pattern=True)


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
