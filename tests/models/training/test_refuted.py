"""Edits that the image does not refute."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.training.batch import Batch
from models.training.checkpoint import resume, save_checkpoint
from models.training.features import image_features, text_features
from models.training.loop import Trainer
from models.training.objective import Objective
from models.training.parts import EditsPart
from models.training.refuted import Judge
from models.training.step import How, accumulate
from tests.models.training.tiny import distance, tiny_batches, tiny_objective, tiny_recipe, tiny_trainer, weights

PART = EditsPart(masked=1, masked_lm=Path("any"), refuted=0.0)


def _batch(objective: Objective, *, per_caption: int = 2) -> Batch:
    """Eight pairs, every edited text of which a language model finds likely."""
    batch = tiny_batches(per_caption=per_caption).batch(0).prepared(objective.towers)
    assert batch.edited is not None
    return dataclasses.replace(batch, edited=dataclasses.replace(batch.edited, likely=batch.edited.changed))


def _gains(objective: Objective, batch: Batch) -> torch.Tensor:
    assert batch.edited is not None
    objective.eval()
    with torch.no_grad():
        images = image_features(objective.towers, batch.pixels, ()).embedding[batch.edited.owner]
        before = text_features(objective.towers, batch.ids).embedding[batch.edited.owner]
        return (images * (text_features(objective.towers, batch.edited.ids).embedding - before)).sum(dim=1)


@pytest.mark.parametrize("chunk", [0, 3])
def test_likely_edits_that_fit_as_well_are_left_out(chunk: int) -> None:
    """Those whose cosine with their image is at least the caption's; unedited texts and all others stay, in order."""
    objective = tiny_objective()
    batch = _batch(objective)
    assert batch.edited is not None
    out = batch.edited.changed & (_gains(objective, batch) >= 0)
    assert 0 < out.sum() < batch.edited.changed.sum()
    judge = Judge(0.0, objective, How(chunk))

    found = judge.sift(batch).edited

    assert found is not None
    expected = batch.edited.only(~out)
    for name, value in vars(expected).items():
        assert torch.equal(value, getattr(found, name)), name
    assert pytest.approx((out.sum() / batch.edited.changed.sum()).item()) == judge.share


def test_what_the_language_model_finds_unlikely_is_not_asked_about() -> None:
    """Unlikely edits stay whatever the towers say, and so do all where no model was asked."""
    objective = tiny_objective()
    batch = _batch(objective)
    assert batch.edited is not None
    none = dataclasses.replace(
        batch, edited=dataclasses.replace(batch.edited, likely=torch.zeros_like(batch.edited.changed))
    )
    unknown = dataclasses.replace(batch, edited=dataclasses.replace(batch.edited, likely=None))
    judge = Judge(-3.0, objective, How())

    assert none is judge.sift(none)
    assert unknown is judge.sift(unknown)
    plain = dataclasses.replace(batch, edited=None)
    assert plain is judge.sift(plain)
    assert 0 == judge.share


def test_one_text_stays() -> None:
    """Where every text would be left out, the one that its image refutes most is kept: losses have something to be of."""
    objective = tiny_objective()
    batch = _batch(objective)
    assert batch.edited is not None
    wrong = dataclasses.replace(batch, edited=batch.edited.only(batch.edited.changed))
    gains = _gains(objective, wrong)

    found = Judge(-3.0, objective, How()).sift(wrong).edited

    assert found is not None and wrong.edited is not None
    assert torch.equal(wrong.edited.ids[gains.argmin()][None], found.ids)


def test_a_margin_lets_more_pass() -> None:
    """The higher the margin, the fewer are left out."""
    objective = tiny_objective()
    batch, judges = _batch(objective), [Judge(margin, objective, How()) for margin in (-0.1, 0.0, 0.1)]
    for judge in judges:
        judge.sift(batch)

    shares = [judge.share for judge in judges]
    assert sorted(shares, reverse=True) == shares
    assert shares[0] > shares[-1]


@pytest.mark.parametrize("chunk", [1, 3])
def test_a_batch_with_few_edited_texts_is_one_in_chunks(chunk: int) -> None:
    """Chunks that are left without any edited text add nothing, and the gradients are those of the whole."""
    objective = tiny_objective()
    batch = Judge(-3.0, objective, How()).sift(_batch(objective))
    found: list[dict[str, torch.Tensor]] = []
    for size in (0, chunk):
        objective.zero_grad(set_to_none=True)
        accumulate(objective.train(), batch, {}, how=How(size))
        found.append({name: each.grad.clone() for name, each in objective.named_parameters() if each.grad is not None})

    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        torch.testing.assert_close(
            found[1][name], value, rtol=0, atol=2e-6 * max(1.0, value.abs().max().item()), msg=name
        )


class _LikelyTrainer(Trainer):
    """All of whose edits a language model finds likely."""

    def _loader(self, last: int) -> Iterator[Batch]:
        for batch in super()._loader(last):
            assert batch.edited is not None
            yield dataclasses.replace(batch, edited=dataclasses.replace(batch.edited, likely=batch.edited.changed))


def _trainer(**optim: float) -> Trainer:
    torch.set_num_threads(1)
    recipe = tiny_recipe(**optim).model_copy(update={"edits": PART})
    return _LikelyTrainer(recipe, tiny_objective(), tiny_batches())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_asks_at_each_step_and_resumes(tmp_path: Path, ema: float) -> None:
    """With an average and without: the run ends elsewhere than one that asks nothing, and a stopped one ends with its weights."""
    whole, stopped, resumed = (_trainer(ema=ema) for _ in range(3))
    asked = [step.looks["unrefuted"] for step in whole.run()]
    list(stopped.run(until=3))
    save_checkpoint(tmp_path / "state.pt", stopped)
    assert resume(resumed, tmp_path / "state.pt")
    list(resumed.run())
    never = tiny_trainer(tiny_recipe(ema=ema))
    list(never.run())

    assert any(share > 0 for share in asked)
    assert 0.0 == distance(weights(whole), weights(resumed))
    assert distance(weights(whole), weights(never)) > 1e-5
    assert whole.objective.training
