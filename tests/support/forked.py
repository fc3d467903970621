"""`vilem` in processes of its own that need not load torch anew: forked from one that loaded it and did nothing else."""

import os
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from vilem.cli.main import main

_LOADED = ["tests.support.forked", "tests.support.loads_torch"]


def _run(arguments: Sequence[str], output: Path) -> None:
    with output.open("wb") as said:
        os.dup2(said.fileno(), sys.stdout.fileno())
        os.dup2(said.fileno(), sys.stderr.fileno())
    sys.argv = ["vilem", *arguments]
    main()


def start(arguments: Sequence[str], output: Path) -> ForkServerProcess:
    """Run `vilem` with *arguments*; what it says goes to the file *output*."""
    context = get_context("forkserver")
    # before the first process is started; later calls change nothing
    context.set_forkserver_preload(_LOADED)
    process = context.Process(target=_run, args=(tuple(arguments), output))
    process.start()
    return process
