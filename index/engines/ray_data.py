"""The middle of a job on Ray: Ray Data reads the source in blocks, and a pool of actors embeds them.

    read tasks, one for each part of the source -> blocks -> actors, each with a model -> reports

A block is one row of Ray's table and one task of one actor. When a worker or a node is lost, Ray runs what it had again
elsewhere; a block that is embedded twice has two reports, and the driver takes one.

This module imports Ray: import it when a job asks for Ray.
"""

import pickle
import traceback
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import pyarrow as pa
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask
from ray.exceptions import RayError

from index.engines.blocks import Sizes, cut
from index.engines.job import Work, Worker
from index.engines.ray_cluster import Crew
from index.engines.staging import Staged
from index.errors import WorkersLost
from index.sources.item import Source

_BLOCK, _REPORT = "block", "report"
# Parts that are read at once: reading lists items and fetches none of their bytes.
_READERS = 4
# One is embedded while the next one waits beside it.
_TASKS_OF_AN_ACTOR = 2


class _Parts(Datasource):
    """Parts of a source for Ray Data: each is read by one task, from its beginning to its end."""

    def __init__(self, parts: list[Source], sizes: Sizes) -> None:
        super().__init__()
        self._parts = parts
        self._sizes = sizes

    def get_name(self) -> str:
        """For Ray's messages."""
        return "Source"

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows before it is read."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: DataContext | None = None
    ) -> list[ReadTask]:
        """A task for each part, whatever *parallelism* is asked for."""
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(_Reading(part, number, self._sizes), unknown) for number, part in enumerate(self._parts)]


class _Reading:
    """Reads one part."""

    def __init__(self, part: Source, number: int, sizes: Sizes) -> None:
        self._part = part
        self._number = number
        self._sizes = sizes

    def __call__(self) -> Iterator[pa.Table]:
        """Its blocks, one to a table: pickled, for a source may hold what no Arrow type can, and is told so later."""
        for block in cut(self._part, self._number, self._sizes):
            yield pa.table({_BLOCK: pa.array([pickle.dumps(block)], pa.large_binary())})


class _Actor:
    """A `Worker` in a process of Ray's."""

    def __init__(self, work: Work) -> None:
        self._worker = Worker(work)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """The report of a block, or what went wrong: Ray would tell that in its own words."""
        try:
            return {_REPORT: pickle.dumps(self._worker.embed(pickle.loads(row[_BLOCK])))}  # noqa: S301 - our own reader's
        except Exception as error:  # noqa: BLE001 - it is raised again where the job was started
            return {_REPORT: _pickled(error)}


def _pickled(error: Exception) -> bytes:
    """An error that can travel."""
    error.add_note(f"on a worker:\n{traceback.format_exc()}")
    try:
        data = pickle.dumps(error)
        pickle.loads(data)  # noqa: S301
    except Exception:  # noqa: BLE001 - whatever a class of errors asks for
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return data


def reports(parts: list[Source], work: Work, crew: Crew) -> Generator[Staged]:
    """The reports of all blocks, as they come.

    Raises:
        WorkersLost: Ray gave up.
        Exception: whatever a worker raised.
    """
    with DataContext.current(_context()):
        sizes = Sizes.of(work.options.chunk_rows, crew.workers, len(parts))
        # Reading takes no CPU in Ray's books: it must go on when the actors have them all.
        blocks = ray.data.read_datasource(
            _Parts(parts, sizes), num_cpus=0, concurrency=min(_READERS, len(parts)), override_num_blocks=len(parts)
        )
        pool = ActorPoolStrategy(size=crew.workers, max_tasks_in_flight_per_actor=_TASKS_OF_AN_ACTOR)
        embedded = blocks.map(
            _Actor,  # pyright: ignore[reportArgumentType] - the stub knows functions alone
            fn_constructor_args=(work,),
            compute=pool,
            num_cpus=crew.cpus,
            num_gpus=crew.gpus or None,
        )
        try:
            for batch in embedded.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for value in batch[_REPORT]:
                    report = pickle.loads(value.as_py())  # noqa: S301 - our own actors'
                    if isinstance(report, BaseException):
                        raise report
                    yield report
        except RayError as error:
            raise WorkersLost(
                f"the cluster did not bring the job to its end ({str(error).splitlines()[0]}): what is committed is safe, "
                "run the same command again"
            ) from error


def _context() -> DataContext:
    """Ray Data's settings for a job."""
    context = DataContext.get_current().copy()
    # a block of ours, however small, is a block of Ray's, and a task: it would put many into one
    context.target_max_block_size = 1
    # the job has a bar of its own
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return context
