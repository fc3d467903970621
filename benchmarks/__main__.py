"""Runs every benchmark in turn, but for those that train: `python -m benchmarks`; or those that are named: `… load --soak 60`."""

import importlib
import pkgutil
import sys
from pathlib import Path

HELPERS = ("__main__", "arms", "embeddings", "fixtures", "report", "storm", "table")
# trainings, what needs a trained bundle named, and `make chaos`
LONG = ("chaos", "edited_words", "image_towers", "photographs", "proofread", "vilem_scenes")


def main() -> None:
    """Run each script's `main()`, in the order of their names; a script reads its own options."""
    there = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    named = [name for name in there if name in sys.argv[1:]]
    for name in named or [name for name in there if name not in HELPERS + LONG]:
        print(f"\n== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
