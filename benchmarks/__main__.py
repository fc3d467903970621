"""Runs every benchmark in turn, but for those that train: `python -m benchmarks`."""

import importlib
import pkgutil
from pathlib import Path

HELPERS = ("__main__", "arms", "embeddings", "fixtures", "table")
# trainings, or what needs a trained bundle named
LONG = ("image_towers", "photographs", "proofread", "vilem_scenes")


def main() -> None:
    """Run each script's `main()`, in the order of their names."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in HELPERS + LONG:
            print(f"\n== {module.name}")
            importlib.import_module(f"benchmarks.{module.name}").main()


if __name__ == "__main__":
    main()
