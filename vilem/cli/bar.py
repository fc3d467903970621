"""A bar for jobs that tell what they do, how much of it is done, and how much there is."""

from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def bar() -> Generator[Callable[[str, int, int], None]]:
    """Show a bar for each kind of work that is told of while the block runs; on stderr, so that output can be piped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as shown:

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what)
            shown.update(tasks[what], completed=done, total=total)

        yield tell
