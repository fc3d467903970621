"""The objective: what is descended, and that every part of it teaches both towers."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.negatives.edited import unedited
from models.negatives.editor import Caption
from models.training.batch import Batch
from models.training.editing import EditedBatch, EditMaker, Vocabulary
from models.training.features import image_features, text_features
from models.training.interaction import pool_words
from models.training.losses import contrastive, detection, preference
from models.training.objective import Objective, with_proofreading
from models.training.recipe import ProofreadingPart
from models.training.tokenizer import train_tokenizer
from models.training.towers import build_towers
from tests.models.training.edits import ColourEditor
from tests.models.training.small import small_recipe

TEXTS = ("a red circle", "a small blue star", "two green hexagons", "a pink heart on grey")
TOKENIZER = train_tokenizer(TEXTS * 50, 320)
PART = ProofreadingPart(width=16, heads=2, vocabulary=20)


def make_towers(folder: Path) -> nn.Module:
    """Small towers with seeded weights."""
    torch.manual_seed(0)
    return build_towers(small_recipe(folder), TOKENIZER.get_vocab_size())


def make_batch(*, edits: bool = True) -> Batch:
    """Four pairs; with *edits*, each caption again with another colour."""
    torch.manual_seed(1)
    maker = EditMaker(ColourEditor(), TOKENIZER, Vocabulary.of(TEXTS, 20), 0.0)
    drawn = maker.draw([Caption(text) for text in TEXTS], np.random.default_rng(0))
    ids = nn.utils.rnn.pad_sequence([torch.tensor(TOKENIZER.encode(text).ids) for text in TEXTS], batch_first=True)
    return Batch(torch.randn(4, 3, 64, 64), ids, maker.lay_out(drawn) if edits else None)


def make_objective(folder: Path, **changes: Any) -> Objective:  # noqa: ANN401 # fields of the part, of any type
    """Towers and module, without dropout or chance."""
    return with_proofreading(make_towers(folder), PART.model_copy(update=changes), size=64, vocabulary=20)


def test_without_a_module_it_is_the_contrastive_loss(tmp_path: Path) -> None:
    """Plain training descends CLIP's loss of the towers' embeddings, nothing else."""
    towers, batch = make_towers(tmp_path), make_batch(edits=False)

    parts = Objective(towers)(batch)

    images, texts = image_features(towers, batch.pixels, ()), text_features(towers, batch.ids)
    expected = contrastive(images.embedding, texts.embedding, towers.logit_scale.exp())
    torch.testing.assert_close(expected, parts["total"])
    assert {"total", "contrastive"} == parts.keys()


@pytest.mark.parametrize("name", ["detection", "correction"])
def test_each_part_teaches_both_towers(tmp_path: Path, name: str) -> None:
    """Detection alone, and correction alone, move the first and the last weights of both towers.

    Detached features are the failure that makes ViLEM look useless.
    """
    objective = make_objective(tmp_path)

    objective(make_batch())[name].backward()

    towers = objective.towers
    for weights in (
        towers.visual.conv1.weight,
        # open_clip begins with zeros here, so that nothing flows through the last convolution of a block yet
        towers.visual.layer4[0].bn3.weight,
        towers.token_embedding.weight,
        towers.transformer.resblocks[-1].mlp.c_proj.weight,
    ):
        assert weights.grad is not None
        assert weights.grad.norm() > 0


def test_the_whole_branch_teaches_the_embedding(tmp_path: Path) -> None:
    """Where words meet the image's embedding, detection reaches the projection that search uses."""
    objective = make_objective(tmp_path, local=False)

    objective(make_batch())["detection"].backward()

    grad = objective.towers.visual.attnpool.c_proj.weight.grad
    assert grad is not None and grad.norm() > 0


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_total_is_the_weighted_sum(tmp_path: Path, strength: float) -> None:
    """Contrastive, and the others by their weights, which the warm-up scales."""
    objective = make_objective(tmp_path, detection=0.7, correction=0.2)

    parts = objective(make_batch(), strength)

    beside = 0.7 * parts["detection"] + 0.2 * parts["correction"]
    torch.testing.assert_close(parts["contrastive"] + strength * beside, parts["total"])


def test_edited_texts_are_negatives_if_wished(tmp_path: Path) -> None:
    """With `negatives` the contrastive loss is greater by what the edited texts take of the softmax."""
    batch = make_batch()

    plain, harder = (make_objective(tmp_path, negatives=wish)(batch)["contrastive"] for wish in (False, True))

    assert harder > plain


def test_the_picture_counts(tmp_path: Path) -> None:
    """Other pictures give other losses of detection and correction: the module reads them."""
    objective, batch = make_objective(tmp_path).eval(), make_batch()
    other = Batch(batch.pixels.flip(0), batch.ids, batch.edited)

    first, second = objective(batch), objective(other)

    for name in ("detection", "correction"):
        assert not torch.isclose(first[name], second[name])


def test_the_module_fits_the_towers(tmp_path: Path) -> None:
    """As many levels as asked, channels as the towers have them; towers are not changed by the asking."""
    before = {name: value.clone() for name, value in make_towers(tmp_path).state_dict().items()}

    objective = make_objective(tmp_path, levels=2)

    assert objective.module is not None
    assert 2 == len(objective.module.shape.levels) == len(objective.module.blocks)
    assert (20, 16) == (objective.module.shape.vocabulary, objective.module.shape.tokens)
    for name, value in objective.towers.state_dict().items():
        torch.testing.assert_close(before[name], value, rtol=0, atol=0, msg=name)


def test_texts_that_stay_are_encoded_once(tmp_path: Path) -> None:
    """Reusing the features of unedited texts changes no loss: every text encoded again gives the same parts."""
    objective = make_objective(tmp_path, negatives=False).eval()
    maker = EditMaker(ColourEditor(), TOKENIZER, Vocabulary.of(TEXTS, 20), 0.5)
    drawn = maker.draw([Caption(text) for text in TEXTS], np.random.default_rng(3))
    assert {True, False} == {edit.kind == "none" for edit in drawn}
    batch, edited = make_batch(edits=False), maker.lay_out(drawn)

    parts = objective(Batch(batch.pixels, batch.ids, edited))

    assert objective.module is not None
    with torch.no_grad():
        levels = image_features(objective.towers, batch.pixels, objective.levels)
        tokens = text_features(objective.towers, edited.ids).tokens
        words = pool_words(tokens, edited.word_of, edited.there.shape[1])
        logits = objective.module.detection(objective.module(words, edited.there, levels))
        expected = detection(logits, edited.wrong, edited.there)
    torch.testing.assert_close(expected, parts["detection"])


def test_a_batch_of_unedited_texts_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing could be edited the step is a contrastive one, and no tower is given a batch of no texts."""
    objective = make_objective(tmp_path)
    seen: list[int] = []

    def counted(towers: nn.Module, ids: torch.Tensor) -> Any:  # noqa: ANN401 # as the function it stands before
        seen.append(len(ids))
        return text_features(towers, ids)

    monkeypatch.setattr("models.training.objective.text_features", counted)
    maker = EditMaker(ColourEditor(), TOKENIZER, Vocabulary.of(TEXTS, 20), 0.0)
    batch = make_batch(edits=False)

    parts = objective(Batch(batch.pixels, batch.ids, maker.lay_out([unedited(text) for text in TEXTS])))
    parts["total"].backward()

    torch.testing.assert_close(parts["contrastive"], parts["total"])
    assert seen == [len(TEXTS)]


def test_an_image_prefers_its_caption_if_wished(tmp_path: Path) -> None:
    """With a weight the preference is a part of the total, of the edited texts beside their own captions and images."""
    plain, batch = make_objective(tmp_path, negatives=False), make_batch()
    assert batch.edited is not None
    weighted = make_objective(tmp_path, negatives=False, preference=0.5)
    weighted.load_state_dict(plain.state_dict(), strict=False)  # the centre of images is its own
    before, after = plain.eval()(batch), weighted.eval()(batch)
    towers = weighted.towers
    images = image_features(towers, batch.pixels, ()).embedding
    texts, wrong = (text_features(towers, ids).embedding for ids in (batch.ids, batch.edited.ids))

    assert "preference" not in before
    # in evaluation mode nothing is remembered: the centre is 0
    torch.testing.assert_close(preference(images, texts, wrong, towers.logit_scale.exp()), after["preference"])
    torch.testing.assert_close(before["total"] + 0.5 * after["preference"], after["total"])


def test_the_preference_is_of_what_an_image_has_of_its_own(tmp_path: Path) -> None:
    """While training, the images' mean is taken from each: followed over steps, and a part of the state."""
    objective, batch = make_objective(tmp_path, preference=1.0).train(), make_batch()
    images = image_features(objective.towers, batch.pixels, ()).embedding

    objective(batch)
    first = objective.centre.clone()
    objective(dataclasses.replace(batch, pixels=batch.pixels.flip(3)))

    torch.testing.assert_close(images.mean(dim=0), first, atol=1e-3, rtol=1e-3)
    assert 0 < (objective.centre - first).norm() < 0.2 * first.norm()
    assert "centre" in objective.state_dict()
    assert "centre" not in make_objective(tmp_path).state_dict()


def test_several_edits_of_a_caption_meet_its_own_image(tmp_path: Path) -> None:
    """Each edited text twice gives the losses of each once; the order of texts says nothing."""
    objective, batch = make_objective(tmp_path, negatives=False), make_batch()
    assert batch.edited is not None
    objective.eval()
    order = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    twice = EditedBatch(
        *(each[order] for each in (batch.edited.ids, batch.edited.word_of, batch.edited.there, batch.edited.wrong)),
        torch.cat(
            [
                batch.edited.places * torch.tensor([2, 1]),
                batch.edited.places * torch.tensor([2, 1]) + torch.tensor([1, 0]),
            ]
        ),
        batch.edited.words.repeat(2),
        order,
    )

    once, doubled = objective(batch), objective(dataclasses.replace(batch, edited=twice))

    for name in once:
        torch.testing.assert_close(once[name], doubled[name], msg=name)
