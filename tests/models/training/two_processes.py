"""What each of two processes runs for test_ranks.py: `python -m tests.models.training.two_processes FOLDER`."""

import json
import os
import sys
from pathlib import Path

import torch

from models.training.checkpoint import resume, save_checkpoint
from models.training.ranks import Ranks, join, leave
from models.training.recipe import ContrastivePart, LatePart, TaggingPart
from tests.models.training.tiny import distance, save_weights, tiny_recipe, tiny_trainer, weights

MEMORY = ContrastivePart(queue=12, soft=0.3, noise=1)
LATE = LatePart(weight=0.5, width=8, side=2)
TAGGING = TaggingPart(weight=0.5)


def exchanges(ranks: Ranks) -> dict[str, object]:
    """What the exchanges give this process."""
    own = torch.full((2 + ranks.rank, 3), float(ranks.rank), requires_grad=True)
    joint = ranks.gather(own)
    joint.sum().backward()
    uneven = torch.ones(1, 1 + ranks.rank, 2, requires_grad=True)
    ranks.gather(uneven).sum().backward()
    lent = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(lent.weight, float(ranks.rank))
    if ranks.first:
        lent.weight.grad = torch.ones(1, 1)
    ranks.sum_gradients(lent.parameters())
    norm = torch.nn.BatchNorm1d(1)
    norm.running_mean.fill_(float(ranks.rank))
    ranks.average_buffers(norm)
    found = {
        "gathered": joint.detach().tolist(),
        "slope": own.grad.tolist() if own.grad is not None else None,
        "uneven": ranks.gather(uneven).tolist(),
        "uneven slope": uneven.grad.tolist() if uneven.grad is not None else None,
        "collected": ranks.collect({"rank": ranks.rank}),
        "sum": ranks.sum(torch.tensor([1.0, float(ranks.rank)])).tolist(),
        "gradient": lent.weight.grad.tolist(),
        "without": lent.bias.grad is None,
        "averaged": norm.running_mean.item(),
    }
    ranks.share(lent)
    return found | {"shared": lent.weight.item()}


def main(folder: Path) -> None:
    """Exchange, train in two ways, stop and go on."""
    torch.set_num_threads(1)
    ranks = join(torch.device("cpu"))
    (folder / f"exchanges-{ranks.rank}.json").write_text(json.dumps(exchanges(ranks)))
    for chunk in (0, 3):
        trainer = tiny_trainer(
            tiny_recipe(chunk=chunk, ema=0.9, contrastive=MEMORY, late=LATE, tagging=TAGGING),
            ranks=ranks,
            per_caption=2,
        )
        parts = [step.parts for step in trainer.run()]
        save_weights(trainer, folder / f"chunk{chunk}-{ranks.rank}.pt")
        (folder / f"chunk{chunk}-{ranks.rank}.json").write_text(json.dumps(parts))
    stopped = tiny_trainer(tiny_recipe(plain=True), ranks=ranks, drop=0.5)
    list(stopped.run(until=3))
    save_checkpoint(folder / "state.pt", stopped)
    ranks.wait()
    list(stopped.run())
    resumed = tiny_trainer(tiny_recipe(plain=True), ranks=ranks, drop=0.5)
    resume(resumed, folder / "state.pt")
    list(resumed.run())
    (folder / f"resumed-{ranks.rank}.json").write_text(json.dumps(distance(weights(stopped), weights(resumed))))
    leave()
    threads = sorted(each.read_text().strip() for each in Path("/proc/self/task").glob("*/comm"))
    (folder / f"threads-{ranks.rank}.json").write_text(json.dumps(threads))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
