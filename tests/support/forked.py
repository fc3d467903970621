"""Processes of their own that need not load everything anew: forked from one that loaded it and did nothing else."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TextIO

# what the forked ones begin with. A process of tests has one such server: whoever asks first says what it loads, and what it has
# not loaded each child loads for itself
_TRAINING = ["tests.support.forked", "tests.support.loads_torch"]
_INDEXING = ["tests.support.forked", "tests.support.loads_index"]


def _run(arguments: Sequence[str], output: Path) -> None:
    from vilem.cli.main import main

    with output.open("wb") as said:
        os.dup2(said.fileno(), sys.stdout.fileno())
        os.dup2(said.fileno(), sys.stderr.fileno())
    sys.argv = ["vilem", *arguments]
    main()


def start(arguments: Sequence[str], output: Path) -> ForkServerProcess:
    """Run `vilem` with *arguments*, as one who trains; what it says goes to the file *output*."""
    context = get_context("forkserver")
    # before the first process is started; later calls change nothing
    context.set_forkserver_preload(_TRAINING)
    process = context.Process(target=_run, args=(tuple(arguments), output))
    process.start()
    return process


@dataclass(frozen=True)
class Child:
    """A running piece of code, and the lines that it prints."""

    process: ForkServerProcess
    stdout: TextIO

    def end(self, timeout_s: float = 60) -> tuple[int, str]:
        """Its status, -n where signal n killed it, and what it still printed.

        Raises:
            AssertionError: it does not end.
        """
        said = self.stdout.read()
        self.stdout.close()
        self.process.join(timeout_s)
        assert self.process.exitcode is not None, "it does not end"
        return self.process.exitcode, said


def _execute(code: str, arguments: Sequence[str], output: Connection) -> None:
    os.dup2(output.fileno(), sys.stdout.fileno())
    output.close()
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<child>", "exec"), {"__name__": "__main__"})


def run_code(code: str, *arguments: str) -> Child:
    """Run *code*, which works on an index, as `python -c CODE ARGUMENTS` would."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_INDEXING)
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_execute, args=(code, arguments, writer))
    process.start()
    # the child's is the only other end: reading ends when it does
    writer.close()
    with reader:
        return Child(process, os.fdopen(os.dup(reader.fileno()), "r"))
