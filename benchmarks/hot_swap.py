"""Snapshots and models swapped a hundred times under load: no request fails, and every answer is of one version from end to end.

    python -m benchmarks.hot_swap [--swaps 100]

In turn a snapshot is published and the collection is given another model, of which there are two. A client knows which item each
model finds for each text, so an answer that mixed one's vector with the other's index would be seen.
"""

import argparse
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.storm import percentile
from benchmarks.table import Row, show
from index.collection import Collection
from index.publish import publish
from tests.index.reindex.support import NAME, back, change, make_home, make_models, run
from tests.support.servers import Server, serving

SWAPS, CLIENTS = 100, 4
SEARCH, SHOWN = f"/v1/collections/{NAME}/search", f"/v1/collections/{NAME}"
TEXTS = ("red", "green", "blue", "yellow")
# A round of reading, opening and warming; beyond it something is wrong.
_PATIENCE_S = 60.0


@dataclass
class Answers:
    """What clients were told.

    Attributes:
        ms: of each answer that was right.
        failed: answers that were not 200, and connections that broke.
        found: by text and model, what was found, and how often.
        models: by snapshot, the models that answered with it.
    """

    ms: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])
    found: Counter[tuple[str, str, tuple[str, ...]]] = field(default_factory=Counter[tuple[str, str, tuple[str, ...]]])
    models: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def ask(self, port: int, stop: threading.Event) -> None:
        """One client, until told to stop."""
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            while not stop.is_set():
                for text in TEXTS:
                    self._one(client, text)

    @property
    def inconsistent(self) -> list[str]:
        """What no single version would have answered: a snapshot with two models, a model with two answers to one text."""
        mixed = [f"{snapshot} was answered by {models}" for snapshot, models in self.models.items() if len(models) > 1]
        answers = Counter((text, model) for text, model, _ in self.found)
        return mixed + [f"{asked} has {count} answers" for asked, count in answers.items() if count > 1]

    def _one(self, client: httpx.Client, text: str) -> None:
        began = time.perf_counter()
        try:
            answer = client.post(SEARCH, json={"query": {"text": text}, "limit": 4})
        except httpx.TransportError as error:
            self.failed.append(repr(error))
            return
        if answer.status_code != 200:
            self.failed.append(answer.text)
            return
        self.ms.append(1000 * (time.perf_counter() - began))
        told = answer.json()
        self.models.setdefault(told["snapshot"], set()).add(told["model"])
        self.found[text, told["model"], tuple(hit["id"] for hit in told["hits"])] += 1


def swapped(server: Server, home: Path, swaps: int) -> int:
    """Publish and change models in turn; returns how many swaps the service has shown."""
    seen = 0
    for number in range(swaps):
        before = _state(server)
        if number % 2:
            publish(Collection.open(home / "collections", NAME))
        elif number % 4:
            run(back(home))
        else:
            run(change(home))
        until = time.monotonic() + _PATIENCE_S
        while _state(server) == before:
            assert time.monotonic() < until, f"swap {number} was not seen: {server.log.read_text()[-2000:]}"
            time.sleep(0.01)
        seen += 1
    return seen


def _state(server: Server) -> tuple[str, str]:
    shown = server.client.get(SHOWN).json()
    return shown["snapshot"], shown["model"]


def under_load(home: Path, log: Path, swaps: int, clients: int = CLIENTS, **settings: object) -> tuple[Answers, int]:
    """What clients are told while versions change, and how often they did."""
    answers, stop = Answers(), threading.Event()
    with serving(home, log, poll_s=0.05, **settings) as server:
        threads = [threading.Thread(target=answers.ask, args=(server.port, stop)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            seen = swapped(server, home, swaps)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    return answers, seen


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--swaps", type=int, default=SWAPS)
    options, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder), make_models(Path(folder) / "models"))
        began = time.monotonic()
        answers, seen = under_load(home, Path(folder) / "log", options.swaps)
        seconds = time.monotonic() - began
    ordered = sorted(answers.ms)
    show(
        f"{CLIENTS} clients while snapshots and models change",
        [
            Row("swaps", float(seen), "", float(options.swaps)),
            Row("searches", float(len(ordered)), ""),
            Row("searches a second", len(ordered) / seconds, "/s"),
            Row("requests that failed", float(len(answers.failed)), "", 0.0, at_most=True),
            Row("answers of no single version", float(len(answers.inconsistent)), "", 0.0, at_most=True),
            Row("snapshots that answered", float(len(answers.models)), ""),
            Row("median", percentile(ordered, 0.5), "ms"),
            Row("99th percentile", percentile(ordered, 0.99), "ms"),
            Row("slowest", ordered[-1], "ms"),
        ],
    )
    for each in (*answers.failed[:5], *answers.inconsistent[:5]):
        print(each)


if __name__ == "__main__":
    main()
