"""What hostile requests cost the real server: status, seconds, extra memory, and whether the next request is answered.

python -m benchmarks.hostile
"""

import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, show
from tests.support.collections import make_colours
from tests.support.hostile import CASES, MEMORY_BYTES, Hostile
from tests.support.images import encoded, picture
from tests.support.servers import Server, serving
from tests.support.tiny_bundle import make_tiny_bundle

SECONDS = 1.0
SEARCH = "/v1/collections/colours/search"


def measured(server: Server, case: Hostile) -> list[Row]:
    """Rows of one request; the body is made before the clock starts."""
    made = case.make()
    ready = Hostile(case.name, case.path, lambda: made)
    server.forget_peak()
    before, _ = server.memory()
    began = time.perf_counter()
    answer = ready.send(server.client, "colours")
    seconds = time.perf_counter() - began
    _, peak = server.memory()
    following = server.client.post(SEARCH, json={"query": {"text": "green"}})
    # 4xx is the bar: anything else, or a next request that is not answered, counts as an hour
    refused = 400 <= answer.status_code < 500 and following.status_code == 200
    return [
        Row(f"{case.name}: {answer.status_code}", seconds if refused else 3600.0, "s", SECONDS, at_most=True),
        Row("  extra memory", (peak - before) / 1e6, "MB", MEMORY_BYTES / 1e6, at_most=True),
    ]


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_colours(home, make_tiny_bundle(home / "made" / "tiny"))
        with serving(home, home / "log") as server:
            server.client.post(f"{SEARCH}/image", files={"file": ("a.png", encoded(picture(2000, 2000)))})
            rows = [row for case in CASES for row in measured(server, case)]
    show("hostile requests, each a 4xx, and the next request answered", rows)


if __name__ == "__main__":
    main()
