"""Where and how a run computes."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from models.open_clip_import import import_open_clip
from models.training.compute import apply, caveats, device_of, how_of, plain, synchronise
from models.training.objective import Objective
from models.training.ranks import ALONE, Ranks
from models.training.recipe import LoraPart, RecipeError
from models.training.step import batch_norms
from models.training.towers import build_towers
from tests.models.training.small import small_recipe
from tests.models.training.tiny import distance, tiny_batches, tiny_objective, tiny_recipe, tiny_trainer, weights

CPU = torch.device("cpu")
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@NO_GPU
def test_without_a_gpu_the_cpu_is_taken() -> None:
    """ "auto" takes what is there; to ask for a GPU that is not there is an error with the way out."""
    assert CPU == device_of(tiny_recipe(device="auto").optim)
    with pytest.raises(RecipeError, match="torch sees no GPU"):
        device_of(tiny_recipe(device="cuda").optim)


def test_fp16_needs_a_gpu() -> None:
    """Half precision without bfloat16's range is refused on a CPU."""
    with pytest.raises(RecipeError, match='"fp16" needs a GPU'):
        device_of(tiny_recipe(precision="fp16").optim)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_towers_run_in_the_recipes_precision(precision: str, dtype: torch.dtype) -> None:
    """Matrix products of the towers have the precision; losses between embeddings are single precision in any."""
    how = how_of(tiny_recipe(precision=precision).optim, CPU)
    objective = tiny_objective()
    with how.autocast():
        encoded = objective.encode(tiny_batches().batch(0).prepared(objective.towers))
        loss = objective.between(encoded.vectors)["contrastive"]

    assert encoded.tokens is not None
    assert (
        dtype
        == nn.functional.linear(torch.ones(1, 1), torch.ones(1, 1)).to(dtype).dtype
        == encoded.image.levels[0].dtype
    )
    assert {torch.float32} == {each.dtype for each in encoded.vectors.values()} | {loss.dtype}


@pytest.mark.parametrize("changes", [{"checkpointing": True}, {"checkpointing": True, "chunk": 3}])
def test_activations_computed_again_change_nothing(changes: dict[str, object]) -> None:
    """Gradient checkpointing saves memory, and gives the weights of a run without it."""
    one, other = tiny_trainer(tiny_recipe(steps=3)), tiny_trainer(tiny_recipe(steps=3, **changes))
    for trainer in (one, other):
        list(trainer.run())

    assert distance(weights(one), weights(other)) < 1e-5
    assert other.model.visual.transformer.grad_checkpointing


def test_resnets_cannot_compute_activations_again(tmp_path: Path) -> None:
    """Where open_clip would silently keep them, the recipe is refused with what to use instead."""
    towers = build_towers(small_recipe(tmp_path), 512)

    with pytest.raises(RecipeError, match=r"ModifiedResNet .*optim\.chunk"):
        apply(Objective(towers), tiny_recipe(checkpointing=True).optim)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++")
# a compiler takes its time, on a busy machine minutes
@pytest.mark.timeout(600)
@torch.no_grad()
def test_compiled_blocks_compute_the_same() -> None:
    """Compiled towers give the loss that they gave, and keep the names of their weights."""
    objective = tiny_objective(plain=True)
    batch, names = tiny_batches(plain=True).batch(0).prepared(objective.towers), list(objective.state_dict())
    expected = objective(batch)["total"]

    apply(objective, tiny_recipe(compile=True).optim)

    assert names == list(objective.state_dict())
    torch.testing.assert_close(objective(batch)["total"], expected, rtol=1e-4, atol=1e-4)


def test_without_blocks_there_is_nothing_to_compile() -> None:
    """Towers of no known blocks are refused rather than left as they are."""
    with pytest.raises(RecipeError, match="no blocks that torch could compile"):
        apply(Objective(nn.Linear(1, 1)), tiny_recipe(compile=True).optim)


@pytest.mark.parametrize(("chunk", "world", "said"), [(0, 1, 0), (8, 1, 0), (4, 1, 1), (0, 2, 1)])
def test_batch_normalisation_in_parts_is_told(chunk: int, world: int, said: int) -> None:
    """Chunks and processes of towers with batch normalisation are a caveat; one whole batch is none."""
    objective = tiny_objective(plain=True)
    objective.towers.visual.extra = nn.BatchNorm1d(1)

    found = caveats(objective, tiny_recipe(chunk=chunk).optim, Ranks(0, world))

    assert said == len(found)
    assert not found or "1 batch normalisations" in found[0]


def test_norms_of_gpus_see_all_processes() -> None:
    """On GPUs norms become torch's that exchange their sums, timm's with their activations; weights and names stay.

    Then processes are one batch, and chunks still are not.
    """
    import_open_clip()
    from timm.layers import BatchNormAct2d

    objective = tiny_objective(plain=True)
    objective.towers.visual.extra, objective.towers.visual.acting = nn.BatchNorm2d(3), BatchNormAct2d(3)
    before, norm = dict(objective.named_parameters()), objective.towers.visual.extra
    seen = torch.randn(2, 3, 4, 4)
    expected = objective.towers.visual.acting.eval()(seen)

    synchronise(objective, Ranks(0, 2), CPU)
    synchronise(objective, ALONE, torch.device("cuda"))
    assert norm is objective.towers.visual.extra
    synchronise(objective, Ranks(0, 2), torch.device("cuda"))

    assert isinstance(objective.towers.visual.extra, nn.SyncBatchNorm)
    assert (
        2 == len(batch_norms(objective)) == sum(isinstance(each, nn.SyncBatchNorm) for each in batch_norms(objective))
    )
    torch.testing.assert_close(expected, objective.towers.visual.acting.eval()(seen))
    after = dict(objective.named_parameters())
    assert before.keys() == after.keys() and all(after[name] is each for name, each in before.items())
    assert () == caveats(objective, tiny_recipe().optim, Ranks(0, 2))
    assert 1 == len(caveats(objective, tiny_recipe(chunk=2).optim, Ranks(0, 2)))


def test_transformers_have_no_caveat() -> None:
    """Layer normalisation sees one example at a time."""
    assert () == caveats(tiny_objective(), tiny_recipe(chunk=2).optim, ALONE)


def test_what_others_take_is_plain() -> None:
    """The finished copy has merged weights, no checkpointing, nothing compiled, and is no part of the run any more."""
    trainer = tiny_trainer(tiny_recipe(lora=LoraPart(rank=2), checkpointing=True, ema=0.5))
    list(trainer.run(until=2))

    found = plain(trainer.trained)

    assert set(tiny_objective().state_dict()) == set(found.state_dict())
    assert not found.towers.visual.transformer.grad_checkpointing
    assert trainer.trained.towers.visual.transformer.grad_checkpointing is False
    assert trainer.model.visual.transformer.grad_checkpointing
    batch = tiny_batches().batch(0).prepared(found.towers)
    torch.testing.assert_close(
        trainer.trained.eval().encode(batch).vectors["images"], found.eval().encode(batch).vectors["images"]
    )
