"""int8 beside fp32: how much quicker, and what it finds less.

    python -m benchmarks.int8 [--scenes 1000] [--rounds 9] [--seconds 0.5] [--sizes scenes-s,vit-b-32]

The default bundle gets int8 graphs, their scales from scenes that are not among those it is judged by, and both precisions embed
the same held-out scenes. Rounds of both alternate, each so many seconds long: what slows the machine slows both. A figure is the
median of the rounds' ratios. The processor's time is the process's own, and wall time is beside it. Texts come in batches of like
length, as a service makes them. ViT-B/32 has random weights: it is of the real one's speed, and finds nothing.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fixtures import full_size_bundle
from benchmarks.table import Row, show
from models.bundle import BUILT_IN, Bundle
from models.evaluation.layouts import scenes
from models.evaluation.measure import measure
from models.ort import Runtime
from models.precision import AUTO
from models.text import TokenBatch

DEFAULT, FULL_SIZE = "scenes-s", "vit-b-32"
# neither the seed of the training corpus nor that of the published figures
SEED = 78
# of a model, more than the bar says, at least as good
FASTER, LOSS = 1.7, 0.5
# pictures that tell scales and cosines; split "val", and so no scene of split "test"
PICTURES = 256
TEXTS_AT_A_TIME, IMAGES_AT_A_TIME = 32, 16

Work = Callable[[Bundle], None]


@dataclass(frozen=True)
class Cost:
    """Seconds of one piece of work, of the processor and of the clock."""

    cpu: float
    wall: float


def with_int8(source: Path, folder: Path) -> Path:
    """A copy of a bundle that has int8 graphs too; export needs torch, which the measuring does without."""
    from models.export.smaller import export_int8

    bundle = Bundle.open(source, verify=False)
    entries = scenes.load(PICTURES, SEED, "val").entries
    export_int8(bundle, folder, np.stack([bundle.prepare(each.read()) for each in entries]))
    return folder


def repeated(batches: Sequence[Callable[[Bundle], object]]) -> Work:
    """A piece of work that takes the next of *batches* each time; every bundle goes through them by itself."""
    turns: dict[int, Iterator[Callable[[Bundle], object]]] = {}

    def work(bundle: Bundle) -> None:
        next(turns.setdefault(id(bundle), itertools.cycle(batches)))(bundle)

    return work


def text_batches(bundle: Bundle, texts: Sequence[str], size: int) -> list[Callable[[Bundle], object]]:
    """Batches of *size* texts of like length, tokenised."""
    tokens = bundle.tokenizer.encode(texts)
    order = np.argsort(tokens.lengths, kind="stable")
    parts = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
    cut = [TokenBatch(tokens.ids[rows], tokens.lengths[rows], tokens.truncated[rows]) for rows in parts]
    # in no order of lengths, so that a round of any duration has some of each
    np.random.default_rng(0).shuffle(cut)  # pyright: ignore[reportArgumentType] # a list, of any
    return [lambda opened, batch=batch: opened.encoder.encode_texts(batch) for batch in cut]


def image_batches(pixels: np.ndarray, size: int) -> list[Callable[[Bundle], object]]:
    """Batches of *size* prepared pictures."""
    parts = [pixels[start : start + size] for start in range(0, len(pixels) - size + 1, size)]
    return [lambda opened, batch=batch: opened.encoder.encode_images(batch) for batch in parts]


def cost(bundle: Bundle, work: Work, seconds: float) -> Cost:
    """What one piece of work costs, by doing it for so many seconds."""
    count, began, busy = 0, time.perf_counter(), time.process_time()
    while count == 0 or time.perf_counter() - began < seconds:
        work(bundle)
        count += 1
    return Cost((time.process_time() - busy) / count, (time.perf_counter() - began) / count)


def compared(
    name: str, both: tuple[Bundle, Bundle], work: Work, each: int, rounds: int, seconds: float, bar: float | None
) -> list[Row]:
    """Rows of one kind of work: fp32's and int8's rate, and the ratios."""
    fp32, int8 = both
    found: list[tuple[Cost, Cost]] = []
    for bundle in both:
        cost(bundle, work, seconds / 5)
    for number in range(rounds):
        # forth and back: what drifts drifts for both
        if number % 2:
            found.append((cost(fp32, work, seconds), cost(int8, work, seconds)))
        else:
            found.append((cost(int8, work, seconds), cost(fp32, work, seconds))[::-1])
    by_cpu = sorted(one.cpu / other.cpu for one, other in found)
    by_clock = statistics.median(one.wall / other.wall for one, other in found)
    return [
        Row(f"{name}, fp32", each / statistics.median(one.wall for one, _ in found), "/s"),
        Row(f"{name}, int8", each / statistics.median(other.wall for _, other in found), "/s"),
        Row(f"{name}, int8 by the clock", by_clock, "x fp32"),
        Row(f"{name}, int8 by the processor's time", statistics.median(by_cpu), "x fp32", bar),
        Row(f"{name}, the lowest of {rounds} rounds", by_cpu[0], "x fp32"),
    ]


def speed(
    both: tuple[Bundle, Bundle], texts: Sequence[str], pixels: np.ndarray, given: argparse.Namespace
) -> list[Row]:
    """Rows of texts and pictures, alone and in batches; the bar is of batches, which are what a busy service makes."""
    rows: list[Row] = []
    for size, bar in ((1, None), (TEXTS_AT_A_TIME, FASTER)):
        work = repeated(text_batches(both[0], texts, size))
        rows += compared(f"texts, {size} at a time", both, work, size, given.rounds, given.seconds, bar)
    for size, bar in ((1, None), (min(IMAGES_AT_A_TIME, len(pixels)), FASTER)):
        work = repeated(image_batches(pixels, size))
        rows += compared(f"images, {size} at a time", both, work, size, given.rounds, given.seconds, bar)
    return rows


def found(both: tuple[Bundle, Bundle], count: int) -> list[Row]:
    """Rows of what both precisions find among *count* held-out scenes; the loss is in points of R@1."""
    data = scenes.load(count, SEED)
    one, other = (measure(bundle, data, variant=bundle.variant).figures for bundle in both)
    rows: list[Row] = []
    for figure, name in (("t2i_r1", "text to image"), ("i2t_r1", "image to text")):
        rows += [
            Row(f"R@1 {name}, fp32", 100 * one[figure], "%"),
            Row(f"R@1 {name}, int8", 100 * other[figure], "%"),
            Row(f"R@1 {name}, loss", 100 * (one[figure] - other[figure]), "points", LOSS, at_most=True),
        ]
    return rows


def both_of(folder: Path) -> tuple[Bundle, Bundle]:
    """fp32 and int8 of a bundle, each on all cores."""
    fp32, int8 = (Bundle.open(folder, variant=each, runtime=Runtime(), verify=False) for each in ("fp32", "int8"))
    return fp32, int8


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scenes", type=int, default=1000, help="held-out scenes that are searched")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each precision in a round")
    parser.add_argument("--sizes", default=f"{DEFAULT},{FULL_SIZE}", help="models, parted by commas")
    given, _ = parser.parse_known_args()
    entries = scenes.load(160, SEED).entries
    texts = [caption for each in entries for caption in each.captions]
    with tempfile.TemporaryDirectory() as folder:
        for name in given.sizes.split(","):
            source = full_size_bundle() if name == FULL_SIZE else BUILT_IN / DEFAULT
            both = both_of(with_int8(source, Path(folder) / name))
            # of random weights 32 pictures are speed enough
            some = entries[:32] if name == FULL_SIZE else entries
            pixels = np.stack([both[0].prepare(each.read()) for each in some])
            rows = speed(both, texts, pixels, given)
            auto = Bundle.open(Path(folder) / name, variant=AUTO, verify=False).variant
            title = f"{name}: int8 beside fp32; VILEM_VARIANT=auto takes {auto} here"
            show(title, rows if name == FULL_SIZE else rows + found(both, given.scenes))


if __name__ == "__main__":
    main()
