"""Bound runs: the answers of plain ones, for any sizes in any order, from any thread."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.binding import BoundSession, pinned_or_not, runner
from models.bundle import BUILT_IN, Bundle
from models.encoder import DualEncoder
from models.errors import ModelError
from models.ort import Device, Runtime, open_session

SOURCE = BUILT_IN / "scenes-s"
SHAPES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 20)), min_size=1, max_size=6)


def plain(size: int) -> np.ndarray:
    """Memory as any other, full of what cannot be an answer."""
    return np.full(size, 255, np.uint8)


@pytest.fixture(scope="module")
def text() -> onnxruntime.InferenceSession:
    """The shipped text tower, on one thread: of one shape it answers the same bits each time."""
    return open_session(SOURCE / "text.onnx", Runtime(threads=1, device="cpu"), memory_pattern=False)


@pytest.fixture(scope="module")
def reading() -> onnxruntime.InferenceSession:
    """The shipped proofreader: five inputs of several types, two outputs."""
    return open_session(SOURCE / "proofreader.onnx", Runtime(threads=1, device="cpu"), memory_pattern=False)


def ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    """Some token ids, (rows, length)."""
    return np.random.default_rng((rows, length, seed)).integers(0, 480, (rows, length))


def unbound(session: onnxruntime.InferenceSession, values: np.ndarray) -> np.ndarray:
    """What a plain run of the text tower answers."""
    return np.asarray(session.run(["embedding"], {"ids": values})[0])


def words(rows: int, length: int, places: int) -> dict[str, np.ndarray]:
    """What the proofreader is given: rows texts of so many words, and places to correct, which may be none."""
    rng = np.random.default_rng((rows, length, places))
    return {
        "words": rng.normal(size=(rows, length, 128)).astype(np.float32),
        "there": rng.random((rows, length)) < 0.8,
        "patches": rng.normal(size=(rows, 72, 128)).astype(np.float32),
        "embedding": rng.normal(size=(rows, 128)).astype(np.float32),
        "places": rng.integers(0, min(rows, length), (places, 2)),
    }


@settings(max_examples=25, deadline=None)
@given(shapes=SHAPES)
def test_bound_runs_answer_the_same_bits(text: onnxruntime.InferenceSession, shapes: list[tuple[int, int]]) -> None:
    """Whatever sizes come after each other, each answer is a plain run's to the last bit, and stays so afterwards."""
    bound = BoundSession(text, plain)
    given = [ids(*shape) for shape in shapes]

    found = [bound.run(["embedding"], {"ids": each}) for each in given]

    for each, (vectors,) in zip(given, found, strict=True):
        assert np.array_equal(unbound(text, each), vectors)


@settings(max_examples=15, deadline=None)
@given(shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=3))
def test_any_ports_are_bound(reading: onnxruntime.InferenceSession, shapes: list[tuple[int, int, int]]) -> None:
    """Several inputs and outputs, floats, numbers and truths, in the order that was asked for; axes of no size too."""
    bound, names = BoundSession(reading, plain), ["answers", "wrong"]
    for shape in shapes:
        given = words(*shape)
        for one, other in zip(reading.run(names, given), bound.run(names, given), strict=True):
            assert np.array_equal(np.asarray(one), other, equal_nan=True)


def test_inputs_may_lie_anyhow(text: onnxruntime.InferenceSession) -> None:
    """An array that is not contiguous, or read-only, is bound as what it shows."""
    given = ids(8, 24)[::2, ::3]
    given.flags.writeable = False

    (found,) = BoundSession(text, plain).run(["embedding"], {"ids": given})

    assert np.array_equal(unbound(text, np.ascontiguousarray(given)), found)


def test_buffers_are_used_again(text: onnxruntime.InferenceSession) -> None:
    """One for each port, however many runs; a larger input gets a larger one, and a smaller one keeps it."""
    sizes: list[int] = []

    def counted(size: int) -> np.ndarray:
        sizes.append(size)
        return plain(size)

    bound = BoundSession(text, counted)
    for rows in (1, 4, 2, 4, 1):
        bound.run(["embedding"], {"ids": ids(rows, 10)})
    assert [4096, 4096] == sizes

    for rows in (64, 3, 64, 60):
        bound.run(["embedding"], {"ids": ids(rows, 10)})
    # 64 x 10 x 8 bytes, and 64 x 128 x 4
    assert [4096, 4096, 8192, 32768] == sizes


def test_threads_never_share_buffers(text: onnxruntime.InferenceSession) -> None:
    """Runs at one time get their own answers, from no more buffers than there were threads."""
    made: list[np.ndarray] = []

    def kept(size: int) -> np.ndarray:
        made.append(plain(size))
        return made[-1]

    bound, meet = BoundSession(text, kept), Barrier(8)

    def several(number: int) -> bool:
        meet.wait()
        return all(
            np.array_equal(
                unbound(text, ids(1 + turn % 3, 12, number)),
                bound.run(["embedding"], {"ids": ids(1 + turn % 3, 12, number)})[0],
            )
            for turn in range(12)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(several, range(8)))
    assert len(made) <= 2 * 8


def test_answers_are_the_caller_s(text: onnxruntime.InferenceSession) -> None:
    """No later run, and nobody who writes into an answer, changes another one."""
    bound = BoundSession(text, plain)
    (first,) = bound.run(["embedding"], {"ids": ids(3, 9)})
    kept = first.copy()
    (second,) = bound.run(["embedding"], {"ids": ids(3, 9, seed=1)})
    second[:] = 0

    assert np.array_equal(kept, first)
    assert np.array_equal(kept, bound.run(["embedding"], {"ids": ids(3, 9)})[0])


def test_a_run_that_fails_leaves_the_next_one_whole(text: onnxruntime.InferenceSession) -> None:
    """What the graph refuses is its own error, and the buffers of that run are not used again."""
    bound = BoundSession(text, plain)
    with pytest.raises(Exception, match=r"indices|out of"):
        bound.run(["embedding"], {"ids": np.full((2, 3), 10_000_000)})

    assert np.array_equal(unbound(text, ids(2, 3)), bound.run(["embedding"], {"ids": ids(2, 3)})[0])


def test_plain_memory_where_nothing_can_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a card buffers are memory as any other."""
    monkeypatch.setattr("models.binding.pinned", lambda _: None)

    assert ((10,), np.uint8) == ((found := pinned_or_not(10)).shape, found.dtype)


def test_a_cpu_s_runs_are_plain(text: onnxruntime.InferenceSession) -> None:
    """A session on the CPU is run as it is: its memory is where the input lies already."""
    assert text is runner(text)


def test_an_encoder_with_a_bound_cuts_larger_batches() -> None:
    """Rows beyond the most that a run may have are embedded in further ones, in their order."""
    bundle = Bundle.open(SOURCE, runtime=Runtime(device="cpu"))
    sizes: list[int] = []
    tower = bundle.encoder._text  # pyright: ignore[reportPrivateUsage]

    class Few:
        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            sizes.append(len(feeds["ids"]))
            return list(tower.run(names, feeds))

    tokens = bundle.tokenizer.encode([f"{count} red circles" for count in range(9)])
    found = DualEncoder(Few(), Few(), dim=128, causal=True, most=4).encode_texts(tokens)

    assert [4, 4, 1] == sizes
    assert np.allclose(bundle.encoder.encode_texts(tokens), found, atol=1e-6)


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Callable[[Device, Path], Bundle]:
    """Opens a bundle on a device; the test is skipped where it is not there."""

    def on(device: Device, bundle: Path) -> Bundle:
        try:
            return Bundle.open(bundle, runtime=Runtime(device=device))
        except ModelError as error:
            pytest.skip(str(error))

    return on


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_card_says_what_the_cpu_says(
    opened: Callable[[Device, Path], Bundle], device: Device, tmp_path: Path
) -> None:
    """On a card both towers give the CPU's vectors, alone, in batches of any order, and beyond what one run may have."""
    card, cpu = opened(device, SOURCE), Bundle.open(SOURCE, runtime=Runtime(device="cpu"))
    texts = ["a red circle", "exactly two objects on brown, one large green square", ""] * 30
    pixels = np.random.default_rng(0).integers(0, 256, (70, 96, 96, 3), dtype=np.uint8)

    for count in (1, 70, 3, 33):
        assert np.abs(card.embed_images(pixels[:count]) - cpu.embed_images(pixels[:count])).max() < 1e-3
        assert np.abs(card.embed_texts(texts[:count]).vectors - cpu.embed_texts(texts[:count]).vectors).max() < 1e-3
