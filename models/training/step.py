"""One step's gradients: of a batch that need not fit into memory at once, on any number of processes.

The contrastive loss compares all pairs of the joint batch, the losses over words do not. So (GradCache, Gao et al. 2021,
section 3.2) a batch is first encoded in chunks without gradients; the loss between all embeddings gives the gradient of
each embedding; then each chunk is encoded again, with gradients, and continues the chain rule from there, together with its
own words. What comes out is the gradient of the whole batch, not an estimate. A batch in one chunk is encoded once.

With several processes each computes the loss of the joint batch and descends it through its own pairs: the sum of the
processes' gradients is that of one process (`models.training.ranks`), and no gradient is exchanged but the weights'.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from models.training.batch import Batch, Beside, Counts, Encoded
from models.training.chunks import joined, sections, split
from models.training.objective import Objective
from models.training.ranks import ALONE, Ranks

Vectors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class How:
    """How a step computes, which does not change what it computes.

    Attributes:
        chunk: pairs that a process encodes at once; 0 = all of its own.
        device: where.
        dtype: of autocast; float32 = none.
    """

    chunk: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def autocast(self) -> torch.autocast:
        """The context that the towers run in."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def attention(self) -> AbstractContextManager[object]:
        """The context that attention runs in: torch's own choice, but for the CPU.

        There the backward pass of the fused attention took half of a step of small towers (96 px, texts of 27 tokens):
        1.13 s, against 0.66 s with plain products (docs/training.md).
        """
        return sdpa_kernel(SDPBackend.MATH) if self.device.type == "cpu" else nullcontext()


_PLAIN = How()


@dataclass(frozen=True)
class Outcome:
    """What a step computed, beside the gradients that are now in the weights.

    Attributes:
        parts: losses of the joint batch by name, "total" among them.
        vectors: of the joint batch, without gradient.
        encoded: the last chunk, for a look at it.
        chunk: the last chunk.
    """

    parts: dict[str, torch.Tensor]
    vectors: Vectors
    encoded: Encoded
    chunk: Batch


def accumulate(
    objective: Objective,
    batch: Batch,
    factors: Mapping[str, float],
    *,
    ranks: Ranks = ALONE,
    how: How = _PLAIN,
    scaler: torch.amp.GradScaler | None = None,
    beside: Callable[[Vectors], Beside] | None = None,
) -> Outcome:
    """Add the gradient of the joint batch's loss to the weights.

    On several processes it is this one's share of it: the shares are still to be summed.

    Args:
        objective: in training mode.
        batch: this process's pairs.
        factors: what losses are multiplied by at this step, beside their weights; 1 for those not named.
        ranks: the processes.
        how: chunk, device and precision.
        scaler: of half precision's gradients.
        beside: from the joint batch's vectors to what stands beside them: queued keys, soft targets, weights of pairs.
    """
    counts = _joint_counts(batch, ranks, how.device)
    chunks = split(batch, how.chunk)
    first = _once if len(chunks) == 1 else _in_chunks
    with how.attention():
        return first(_Step(objective, factors, ranks, how, scaler, beside, counts), chunks)


@dataclass(frozen=True)
class _Step:
    objective: Objective
    factors: Mapping[str, float]
    ranks: Ranks
    how: How
    scaler: torch.amp.GradScaler | None
    beside: Callable[[Vectors], Beside] | None
    counts: Counts | None

    def encode(self, chunk: Batch) -> Encoded:
        with self.how.autocast():
            return self.objective.encode(chunk)

    def between(self, vectors: Vectors) -> tuple[dict[str, torch.Tensor], Vectors]:
        """Losses between all embeddings of the joint batch, and the embeddings."""
        joint = {name: self.ranks.gather(each) for name, each in vectors.items()}
        seen = {name: each.detach() for name, each in joint.items()}
        beside = Beside() if self.beside is None else self.beside(seen)
        return self.objective.between(joint, self.factors, beside, self.ranks.world), seen

    def within(self, encoded: Encoded, chunk: Batch) -> dict[str, torch.Tensor]:
        """Losses over the words of a chunk: its part of those of the joint batch."""
        with self.how.autocast():
            return self.objective.within(encoded, chunk, self.factors, self.counts)

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        return loss if self.scaler is None else self.scaler.scale(loss)


def _once(step: _Step, chunks: Sequence[Batch]) -> Outcome:
    (batch,) = chunks
    encoded = step.encode(batch)
    between, joint = step.between(encoded.vectors)
    within = step.within(encoded, batch)
    step.scaled(between["total"] + within["total"]).backward()
    return Outcome(_reported(between, [within], step.ranks), joint, encoded, batch)


def _in_chunks(step: _Step, chunks: Sequence[Batch]) -> Outcome:
    states: list[list[torch.Tensor]] = []
    cached: list[Vectors] = []
    with torch.no_grad(), _statistics_kept(step.objective):
        for chunk in chunks:
            states.append(_random_state(step.how.device))
            cached.append(step.encode(chunk).vectors)
    leaves = {name: each.requires_grad_(each.is_floating_point()) for name, each in joined(cached).items()}
    between, joint = step.between(leaves)
    step.scaled(between["total"]).backward()
    slopes = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}

    done: list[dict[str, torch.Tensor]] = []
    encoded = None
    for chunk, state, slope in zip(chunks, states, sections(cached, slopes), strict=True):
        # dropout must fall as it fell the first time, or the slopes would be those of other vectors
        _restore(step.how.device, state)
        encoded = step.encode(chunk)
        within = step.within(encoded, chunk)
        chain = torch.stack([(encoded.vectors[name] * each).sum() for name, each in slope.items()]).sum()
        (chain + step.scaled(within["total"])).backward()
        done.append({name: part.detach() for name, part in within.items()})
    assert encoded is not None
    return Outcome(_reported(between, done, step.ranks), joint, encoded, chunks[-1])


def _joint_counts(batch: Batch, ranks: Ranks, device: torch.device) -> Counts | None:
    if batch.edited is None:
        return None
    mine = Counts.of(batch.edited)
    if ranks.world == 1:
        return mine
    return Counts(ranks.sum(mine.numbers.to(device)).cpu())


def _reported(
    between: Mapping[str, torch.Tensor], within: Sequence[Mapping[str, torch.Tensor]], ranks: Ranks
) -> dict[str, torch.Tensor]:
    """Losses of the joint batch: between embeddings every process has them; words' are summed over chunks and processes."""
    names = list(within[0])
    words = ranks.sum(torch.stack([torch.stack([each[name].detach() for each in within]).sum() for name in names]))
    parts = dict(zip(names, words, strict=True))
    total = parts.pop("total") + between["total"].detach()
    return {"total": total} | {name: part.detach() for name, part in between.items() if name != "total"} | parts


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """Every batch normalisation of a module."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return [each for each in module.modules() if isinstance(each, kinds)]


@contextmanager
def _statistics_kept(module: nn.Module) -> Generator[None]:
    """Batch normalisation normalises by what it sees, and does not remember it: a chunk is seen again."""
    norms = batch_norms(module)
    before = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracked in zip(norms, before, strict=True):
            norm.track_running_stats = tracked


def _random_state(device: torch.device) -> list[torch.Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _restore(device: torch.device, states: Sequence[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
