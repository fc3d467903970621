"""Runs every benchmark in turn: `python -m benchmarks`."""

import importlib
import pkgutil
from pathlib import Path

HELPERS = ("__main__", "table", "fixtures")


def main() -> None:
    """Run each script's `main()`, in the order of their names."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in HELPERS:
            print(f"\n== {module.name}")
            importlib.import_module(f"benchmarks.{module.name}").main()


if __name__ == "__main__":
    main()
