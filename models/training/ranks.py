"""Processes that train one model together: who they are, what they hand each other.

`torchrun` starts the processes and says in the environment which is which; alone, every exchange is nothing. Vectors
are gathered and gradients are *summed*: each process descends the loss of the joint batch through its own pairs, so the
sum of their gradients is the gradient of one process with all pairs (GradCache, Gao et al. 2021, section 3.3).
"""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn import functional

# the first process measures and exports while the others wait, which takes longer than NCCL's ten minutes allow
PATIENCE = timedelta(hours=6)
# values in one exchange of gradients: 64 MiB of float32, large enough that the latency of an exchange does not count
BUCKET = 1 << 24

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """One process's view of all.

    Attributes:
        rank: which one this is.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes: checkpoints, logs, the bundle."""
        return self.rank == 0

    def gather(self, mine: torch.Tensor) -> torch.Tensor:
        """Rows of all processes, in order of rank; gradients flow into this process's rows only.

        Args:
            mine: [n, ...]; n may differ between the processes. Where other axes do, zeros follow the shorter ones.

        Returns:
            [sum of n, ...].
        """
        if self.world == 1:
            return mine
        shapes = self.collect(tuple(mine.shape))
        counts, greatest = [shape[0] for shape in shapes], [max(sizes) for sizes in zip(*shapes, strict=True)]
        missing = [(0, most - own) for most, own in zip(greatest[1:], mine.shape[1:], strict=True)]
        if any(more for _, more in missing):
            # torch pads the last axis first
            mine = functional.pad(mine, [each for pair in reversed(missing) for each in pair])
        padded = mine.new_zeros(greatest)
        padded[: len(mine)] = mine.detach()
        found = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(found, padded)
        rows = [each[:count] for each, count in zip(found, counts, strict=True)]
        rows[self.rank] = mine
        return torch.cat(rows)

    def collect(self, value: T) -> list[T]:
        """A small value of each process, in order of rank."""
        if self.world == 1:
            return [value]
        values: list[T] = [value] * self.world
        distributed.all_gather_object(values, value)
        return values

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over the processes; *values* itself is not changed."""
        if self.world > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give each parameter the sum of its gradients; one that has a gradient nowhere is left without."""
        if self.world == 1:
            return
        known = list(parameters)
        has = torch.tensor([float(each.grad is not None) for each in known], device=known[0].device)
        for each, somewhere in zip(known, self.sum(has).tolist(), strict=True):
            if somewhere and each.grad is None:
                each.grad = torch.zeros_like(each)
        self._reduce([each.grad for each in known if each.grad is not None], mean=False)

    @torch.no_grad()
    def average_buffers(self, module: nn.Module) -> None:
        """Give every process the mean of what the processes' batch normalisations remember."""
        if self.world > 1:
            self._reduce([each for each in module.buffers() if each.is_floating_point()], mean=True)

    @torch.no_grad()
    def share(self, module: nn.Module) -> None:
        """Give every process the first one's weights."""
        if self.world > 1:
            for each in [*module.parameters(), *module.buffers()]:
                distributed.broadcast(each.data, 0)

    @contextmanager
    def in_turn(self) -> Generator[None]:
        """The first process does it, the others after it: they find what it made."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Go on when all are here."""
        if self.world > 1:
            distributed.barrier()

    def _reduce(self, tensors: Sequence[torch.Tensor], *, mean: bool) -> None:
        for bucket in _buckets(tensors):
            flat = torch.cat([each.reshape(-1) for each in bucket])
            distributed.all_reduce(flat)
            if mean:
                flat /= self.world
            for each, part in zip(bucket, flat.split([each.numel() for each in bucket]), strict=True):
                each.copy_(part.view_as(each))


ALONE = Ranks()


def join(device: torch.device) -> Ranks:
    """Meet the processes that torchrun started, or be alone.

    Args:
        device: this process's; GPUs talk by NCCL, CPUs by gloo.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return ALONE
    if not distributed.is_initialized():
        # its functions' defaults keep the group that is there when it is first imported (open_clip does so), and with
        # it gloo's threads, which at times abort a process that ends before them: so it is imported before the group
        import_module("torch.distributed.nn")
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE, device_id=device if device.type == "cuda" else None)
    return Ranks(distributed.get_rank(), world)


def leave() -> None:
    """End the exchange, if there was one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def local_rank() -> int:
    """Which of this machine's processes this is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def _buckets(tensors: Sequence[torch.Tensor]) -> Iterable[list[torch.Tensor]]:
    """In order, of one type each, of at most `BUCKET` values or of one tensor."""
    bucket: list[torch.Tensor] = []
    for each in tensors:
        full = sum(other.numel() for other in bucket) + each.numel() > BUCKET
        if bucket and (full or bucket[0].dtype != each.dtype):
            yield bucket
            bucket = []
        bucket.append(each)
    if bucket:
        yield bucket
