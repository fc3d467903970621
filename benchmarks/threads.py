"""Threads inside an operator x threads that decode x what is asked: which plan answers most, on as many cores as there are.

    python -m benchmarks.threads [--seconds 6] [--rounds 5] [--plans 1x1,1x2,2x1,2x2,2x4]

One server for each plan, all of them up at once (0.7 GB each), asked in turn: what slows the machine slows every plan. Each
tower runs two batches at a time on the threads of one session. Texts come from 64 clients, pictures of 640 x 480 from 16, and
mixed both at once. A plan's figure is its rate beside that of the first plan in the same round; the median of all rounds.
"""

import argparse
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fixtures import full_size_bundle, full_size_home
from benchmarks.http_text import texts
from benchmarks.load import CLIENTS, IMAGE_CLIENTS, Stand, photographs
from benchmarks.table import Row, show
from models.bundle import Bundle
from tests.support.servers import serving

PLANS = "1x1,1x2,2x1,2x2,2x4"
_ROWS, _TEXTS, _WARM_S = 100_000, 5_000, 1.5


def rates(stand: Stand, seconds: float) -> dict[str, float]:
    """Answers a second to texts, to pictures, and to each while the other is asked too."""
    searches, uploads = stand.searches(), stand.uploads()
    found = {
        "texts": stand.closed(searches, CLIENTS, seconds).rate,
        "pictures": stand.closed(uploads, IMAGE_CLIENTS, seconds).rate,
    }
    with ThreadPoolExecutor(1) as beside:
        other = beside.submit(stand.closed, uploads, IMAGE_CLIENTS, seconds)
        found["texts beside pictures"] = stand.closed(searches, CLIENTS, seconds).rate
        found["pictures beside texts"] = other.result().rate
    return found


def main() -> None:
    """Print a table for each kind of load."""
    parser = argparse.ArgumentParser(description="the service's threads")
    parser.add_argument("--plans", default=PLANS, help="threads in an operator x threads that decode, parted by commas")
    parser.add_argument("--seconds", type=float, default=6, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    options, _ = parser.parse_known_args()
    home, bundle = full_size_home(_ROWS), Bundle.open(full_size_bundle(), verify=False)
    asked, plans = (tuple(texts(_TEXTS, seed=1)), photographs()), options.plans.split(",")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        stands = dict[str, Stand]()
        for plan in plans:
            threads, decoders = plan.split("x")
            log = Path(folder) / plan
            server = servers.enter_context(serving(home, log, cache_bytes=0, threads=threads, decode_threads=decoders))
            stands[plan] = Stand(server, bundle, *asked, options.seconds)
            rates(stands[plan], _WARM_S)
        rounds = list[dict[str, dict[str, float]]]()
        for number in range(options.rounds):
            # forth and back: what drifts drifts for all
            order = plans if number % 2 else plans[::-1]
            rounds.append({plan: rates(stands[plan], options.seconds) for plan in order})
    for load in rounds[0][plans[0]]:
        rows = [Row(f"{plans[0]}, median", statistics.median(each[plans[0]][load] for each in rounds), "/s")]
        for plan in plans:
            beside = [each[plan][load] / (each[plans[0]][load] or float("nan")) for each in rounds]
            rows.append(Row(plan, statistics.median(beside), f"x {plans[0]} ({min(beside):.2f}-{max(beside):.2f})"))
        show(f"{load}: threads in an operator x threads that decode", rows)


if __name__ == "__main__":
    main()
