"""Early warnings of a run that goes wrong."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.training.alarms import Diverged, Judged, Watch, ambiguous, check_numbers, spread
from models.training.features import image_features
from tests.models.training.tiny import CAPTIONS, TOKENIZER, tiny_batches, tiny_objective, tiny_recipe, tiny_trainer

BOUND = math.log(100)
GENERATOR = torch.Generator().manual_seed(0)
SPREAD = {name: functional.normalize(torch.randn(64, 16, generator=GENERATOR), dim=-1) for name in ("images", "texts")}
ALIKE = {name: functional.normalize(1 + 0.01 * each, dim=-1) for name, each in SPREAD.items()}


def _watch() -> Watch:
    return Watch(steps=100, bound=BOUND)


def _words(gain: float) -> Judged:
    """Two hundred words; *gain* is what the right image adds to the scores of wrong ones."""
    rng = np.random.default_rng(0)
    wrong = np.arange(200) % 2 == 0
    noise = rng.normal(size=200)
    return Judged(noise + gain * wrong, noise, wrong)


def test_embeddings_that_fill_their_space_are_measured_so() -> None:
    """Random directions have a mean cosine near 0 and an effective rank near d."""
    alike, rank = spread(SPREAD["images"])

    assert abs(alike) < 0.05
    assert 10 < rank <= 16


def test_equal_embeddings_have_no_rank() -> None:
    """Of equal vectors the mean cosine is 1, and no dimension is left."""
    alike, rank = spread(functional.normalize(torch.ones(8, 4), dim=-1))

    assert (pytest.approx(1.0), 0.0) == (alike, rank)


def test_the_mean_cosine_leaves_out_each_with_itself() -> None:
    """Two vectors at right angles have a mean cosine of exactly 0."""
    assert pytest.approx(0.0) == spread(torch.eye(2))[0]


def test_a_healthy_run_is_quiet() -> None:
    """Spread embeddings, a scale below its bound and a detector that looks raise nothing, and are told in figures."""
    watch = _watch()
    for step in range(10, 100, 10):
        figures, alarms = watch.look(step, 3.0, SPREAD, _words(2.0))
        assert () == alarms

    assert {"images_cosine", "images_rank", "texts_cosine", "texts_rank"} < figures.keys()
    assert figures["words_auroc"] > 0.8 > figures["words_auroc_shuffled"]


def test_collapse_is_told_once_and_again_when_it_comes_back() -> None:
    """Each kind of trouble is one sentence when it begins; it may come again after it was gone."""
    watch = _watch()

    told = [watch.look(step, 3.0, vectors, None)[1] for step, vectors in zip(
        (50, 60, 70, 80), (ALIKE, ALIKE, SPREAD, ALIKE), strict=True
    )]  # fmt: skip

    assert [2, 0, 0, 2] == [len(each) for each in told]
    assert "embeddings of images collapse" in told[0][0]


def test_a_young_run_may_be_narrow() -> None:
    """Fresh towers put all in one narrow cone: in the first fifth of the steps that is no alarm."""
    assert () == _watch().look(10, 3.0, ALIKE, None)[1]


def test_a_scale_at_its_bound_is_told() -> None:
    """However young the run."""
    ((alarm),) = _watch().look(1, BOUND, SPREAD, None)[1]

    assert "logit scale stands at its bound of 100" in alarm


def test_a_detector_that_does_not_look_is_told() -> None:
    """When other images give the same scores, the alarm says both figures, after enough words were seen."""
    watch = _watch()

    told = [watch.look(step, 3.0, SPREAD, _words(0.0))[1] for step in (30, 40, 50, 60, 70)]

    assert [(), (), (), ()] == told[:4]
    assert "detector does not use the image" in told[4][0]


def test_words_of_one_kind_have_no_figure() -> None:
    """Where all judged words are right, or none, nothing is told of them."""
    words = Judged(np.zeros(3), np.zeros(3), np.zeros(3, bool))

    assert "words_auroc" not in _watch().look(50, 3.0, SPREAD, words)[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run(value: float) -> None:
    """The error names the step, the part and what to change."""
    check_numbers(3, {"total": 1.0})

    with pytest.raises(Diverged, match=r"step 3: detection is (nan|inf); .*last checkpoint.*learning_rate"):
        check_numbers(3, {"total": 1.0, "detection": value})


def test_a_run_that_diverges_stops_before_its_next_step() -> None:
    """Weights that became no numbers give no step, so that no checkpoint is written of them."""
    trainer = tiny_trainer(tiny_recipe())
    with torch.no_grad():
        trainer.model.visual.conv1.weight.fill_(float("nan"))

    with pytest.raises(Diverged, match="step 1: "):
        next(trainer.run())


def test_a_gradient_that_is_no_number_stops_the_run() -> None:
    """A finite loss can have a gradient that is not: its step is not given either, or a checkpoint would keep it."""
    trainer = tiny_trainer(tiny_recipe())
    weight = next(iter(trainer.model.visual.parameters()))
    weight.register_hook(lambda grad: grad * float("nan"))

    with pytest.raises(Diverged, match="gradient norm is nan"):
        next(trainer.run())


def test_only_words_that_the_image_must_tell_are_judged() -> None:
    """A word is ambiguous where the batch has it both right and wrong; "a", which is never wrong, is not."""
    batches = tiny_batches()
    assert batches.edits is not None
    edited = batches.edits.lay_out_each(
        batches.edits.draw_each(
            [batches.pairs.caption(row, 0) for row in range(len(CAPTIONS))], np.random.default_rng(0)
        )
    )

    judged = ambiguous(edited)

    texts = [TOKENIZER.decode(ids[ids > 0].tolist()).split() for ids in edited.ids]
    found = {texts[row][word] for row, word in judged.nonzero().tolist()}
    assert found
    assert not found & {"a", "circle", "star"}
    assert (judged & edited.wrong).any()
    assert (judged & ~edited.wrong).any()


def test_judging_needs_the_neighbours_picture() -> None:
    """The scores beside other images are those of the module with the images moved by one."""
    objective = tiny_objective().eval()
    batch = tiny_batches().batch(0).prepared(objective.towers)
    encoded = objective.encode(batch)
    assert batch.edited is not None
    judged = objective.judge(encoded, batch.edited)
    image = image_features(objective.towers, batch.pixels.roll(1, 0), objective.levels)
    moved = objective.judge(type(encoded)(encoded.vectors, image, encoded.tokens), batch.edited)

    assert judged is not None and moved is not None
    np.testing.assert_allclose(judged.shuffled, moved.scores, atol=1e-5)
    assert not np.allclose(judged.scores, judged.shuffled)
