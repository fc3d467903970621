"""Texts a second beside infinity-emb's, each in a server of its own, asked by the same clients in turn.

    python -m benchmarks.peers --infinity PYTHON [--clients 64] [--rounds 3] [--seconds 12]

PYTHON is an interpreter that has infinity-emb (torch on the CPU), in a virtual environment of its own: what it needs does not fit ours.

    pip install torch==2.13.0 infinity-emb==0.0.78 "transformers<5" "sentence-transformers<5.2" "click<8.2" "typer<0.16" requests httpx \\
        aiohttp orjson uvloop httptools diskcache posthog prometheus-fastapi-instrumentator

Both have a ViT-B/32 of random weights in fp32 and get new texts of 4 to 12 words. infinity answers with vectors; ours also searches 100,000.
Neither keeps what it was asked before. clip-retrieval is not run: its requirements exclude each other by now.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.fixtures import COLLECTION, full_size_bundle, full_size_home
from benchmarks.http_text import bare, texts
from benchmarks.storm import Seen, Task, ask, percentile, post
from benchmarks.table import Row, machine, show
from models.bundle import Bundle
from models.manifest import TOKENIZER_NAME
from tests.support.servers import free_port, serving

TIMES_INFINITY, TIMES_CLIP_RETRIEVAL = 5.0, 20.0
# clip-retrieval 2.45's texts a second, where infinity's were 84: measured once, on another machine, by the same clients
CLIP_RETRIEVAL_SHARE = 15 / 84
_MODEL = "clip"
_PATIENCE_S = 120.0
# CLIP's own sizes are the configuration's defaults; texts of one batch are padded with a token that is behind those of CLIP
_MAKE = """
import sys
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast
folder, tokenizer = sys.argv[1:]
words = CLIPTokenizerFast(tokenizer_file=tokenizer, model_max_length=77)
CLIPModel(CLIPConfig(text_config={"vocab_size": len(words)})).save_pretrained(folder)
CLIPImageProcessor().save_pretrained(folder)
words.save_pretrained(folder)
"""


@contextmanager
def infinity(python: str, folder: Path, tokenizer: Path) -> Generator[int]:
    """The port of an infinity server over a CLIP that is made in *folder*."""
    model, port = folder / _MODEL, free_port()
    subprocess.run([python, "-c", _MAKE, str(model), str(tokenizer)], check=True, capture_output=True)
    command = [str(Path(python).parent / "infinity_emb"), "v2", "--model-id", str(model), "--served-model-name", _MODEL]
    options = [
        "--engine",
        "torch",
        "--device",
        "cpu",
        "--dtype",
        "float32",
        "--port",
        str(port),
        "--no-bettertransformer",
    ]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
        "INFINITY_LOG_LEVEL": "error",
    }
    with (folder / "infinity.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await(port, process, folder / "infinity.log")
        yield port
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    sys.exit(f"infinity did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _latencies(name: str, seen: list[Seen]) -> list[Row]:
    ordered = sorted(ms for each in seen for ms in each.of(200))
    failed = sum(len(each.status) - each.status.count(200) for each in seen)
    return [
        Row(f"{name}: texts a second, median of the rounds", statistics.median(each.rate for each in seen), "texts/s"),
        Row(f"{name}: median latency", percentile(ordered, 0.5), "ms"),
        Row(f"{name}: 99th percentile", percentile(ordered, 0.99), "ms"),
        Row(f"{name}: requests that failed", float(failed), ""),
    ]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--infinity", metavar="PYTHON", help="an interpreter with infinity-emb")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=12.0)
    options, _ = parser.parse_known_args()
    if options.infinity is None:
        print("not measured: --infinity names an interpreter that has infinity-emb")
        return
    home, path = full_size_home(options.rows), full_size_bundle()
    asked = texts(20_000, seed=2)
    searches = [
        post(f"/v1/collections/{COLLECTION}/search", f'{{"query": {{"text": "{each}"}}}}'.encode()) for each in asked
    ]
    embeddings = [post("/embeddings", f'{{"model": "{_MODEL}", "input": ["{each}"]}}'.encode()) for each in asked]

    def seen_by(port: int, requests: list[str], turn: int) -> Seen:
        # no text twice
        part = len(requests) // (options.rounds + 1)
        return ask(
            Task(port, tuple(requests[turn * part : (turn + 1) * part]), options.seconds, clients=options.clients)
        )

    with (
        tempfile.TemporaryDirectory() as folder,
        infinity(options.infinity, Path(folder), path / TOKENIZER_NAME) as theirs,
    ):
        with serving(home, Path(folder) / "log", cache_bytes=0) as server:
            mine, other = list[Seen](), list[Seen]()
            for turn in range(options.rounds + 1):
                mine.append(seen_by(server.port, searches, turn))
                other.append(seen_by(theirs, embeddings, turn))
            # each round of the first kind warms
            mine, other = mine[1:], other[1:]
        if not all(each.rate for each in (*mine, *other)):
            sys.exit(
                f"a server answered nothing:\n{(Path(folder) / 'infinity.log').read_text(errors='replace')[-2000:]}"
            )
    alone = bare(Bundle.open(path, verify=False), asked[:600])
    times = statistics.median(ours.rate / infinitys.rate for ours, infinitys in zip(mine, other, strict=True))
    show(
        f"New texts, {options.clients} clients, ViT-B/32 in fp32",
        [
            *_latencies("ours", mine),
            *_latencies("infinity-emb", other),
            Row("bare ONNX Runtime, fp32, batches of 32", alone, "texts/s"),
            Row("ours to infinity-emb", times, "x", TIMES_INFINITY),
            Row(
                "to clip-retrieval, were it to infinity as it once was",
                times / CLIP_RETRIEVAL_SHARE,
                "x",
                TIMES_CLIP_RETRIEVAL,
            ),
        ],
    )
    print(machine())


if __name__ == "__main__":
    main()
