"""Where and how a run computes: device, precision, and what trades time for memory. None of it changes what is computed."""

import copy
from typing import cast

import torch
from torch import nn

from models.training.lora import merged
from models.training.objective import Objective
from models.training.ranks import Ranks, local_rank
from models.training.recipe import OptimPart, RecipeError
from models.training.step import How, batch_norms

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# lists of blocks, as open_clip, timm, transformers and our module name them
_BLOCKS = ("resblocks", "blocks", "stages", "layer", "layers", "layer1", "layer2", "layer3", "layer4")


def device_of(optim: OptimPart) -> torch.device:
    """The device of this process.

    Raises:
        RecipeError: the recipe asks for what this machine has not.
    """
    name = optim.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RecipeError('optim.device is "cuda", and torch sees no GPU: install a CUDA build of torch, or say "auto"')
    if name == "cpu" and optim.precision == "fp16":
        raise RecipeError('optim.precision "fp16" needs a GPU: on a CPU take "bf16" or "fp32"')
    if name == "cpu":
        return torch.device("cpu")
    if local_rank() >= torch.cuda.device_count():
        raise RecipeError(
            f"torchrun started process {local_rank()} of this machine, which has {torch.cuda.device_count()} GPUs: "
            "start one process for each"
        )
    return torch.device("cuda", local_rank())


def how_of(optim: OptimPart, device: torch.device) -> How:
    """The recipe's chunk and precision on a device; float32 products of a GPU are taken in TF32."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    return How(optim.chunk, device, _DTYPES[optim.precision])


def apply(objective: Objective, optim: OptimPart) -> None:
    """Switch on what the recipe asks for.

    Raises:
        RecipeError: the towers cannot do it.
    """
    if optim.checkpointing:
        _checkpoint(objective.towers)
    if optim.compile:
        _compile(objective)


def synchronise(objective: Objective, ranks: Ranks, device: torch.device) -> None:
    """Let batch normalisation see the pairs of all processes, where torch can do that: on GPUs.

    Each process descends the loss of the joint batch through its own pairs, and normalises by all of them: what reaches the
    weights adds up to the gradient of one process with the joint batch, as it does without such norms.
    """
    if ranks.world < 2 or device.type == "cpu" or not batch_norms(objective):
        return
    # timm's knows torch's norms, and its own, which hold an activation
    from timm.layers.norm_act import convert_sync_batchnorm

    convert_sync_batchnorm(objective)


def caveats(objective: Objective, optim: OptimPart, ranks: Ranks) -> tuple[str, ...]:
    """What makes chunks or processes differ from one large batch: batch normalisation, each of whose parts sees itself."""
    norms = [norm for norm in batch_norms(objective) if any(each.requires_grad for each in norm.parameters())]
    together = ranks.world if all(isinstance(norm, nn.SyncBatchNorm) for norm in norms) else 1
    mine = optim.batch // ranks.world
    parts = ranks.world * (-(-mine // optim.chunk) if optim.chunk else 1) // together
    if not norms or parts < 2:
        return ()
    said = (
        f"the towers have {len(norms)} batch normalisations, each of which sees one part of the joint batch of {optim.batch} "
        "at a time: gradients are exact for towers that normalise so, and differ from those of one large batch"
    )
    return (said,)


def plain(objective: Objective) -> Objective:
    """As others take it, the exporter for one: on the CPU, low-rank changes merged, not compiled, not checkpointed."""
    # a copy leaves behind what was compiled
    alone = cast(Objective, copy.deepcopy(merged(objective))).cpu()
    for module in alone.modules():
        if getattr(module, "grad_checkpointing", False):
            module.grad_checkpointing = False
    return alone


def _checkpoint(towers: nn.Module) -> None:
    if hasattr(towers.visual, "layer4"):
        raise RecipeError(
            "optim.checkpointing: open_clip's ModifiedResNet cannot compute its activations again; "
            "use optim.chunk to save memory, or another image tower"
        )
    towers.set_grad_checkpointing(True)


def _compile(objective: Objective) -> None:
    """Block by block: blocks of one kind share their code, and towers are read between blocks."""
    found = [
        block
        for name, module in objective.named_modules()
        if name.rpartition(".")[2] in _BLOCKS and isinstance(module, nn.ModuleList | nn.Sequential)
        for block in module
    ]
    if not found:
        raise RecipeError("optim.compile: these towers have no blocks that torch could compile; leave it out")
    for block in found:
        block.compile()
