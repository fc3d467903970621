"""Editors by recipe: sources by weight, kept edits, and filters."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.negatives.editor import Caption
from models.negatives.errors import MaskedLmInvalid
from models.negatives.masked_lm import save_masked_lm
from models.negatives.masked_training import MlmSettings, train_masked_lm
from models.scenes.corpus import example
from models.training.editors import fill_cache, make_editor
from models.training.parts import EditsPart
from tests.models.negatives.small_bert import save_small_bert

GROUPS = [example("train", number, 0, 32).captions for number in range(12)]
CAPTIONS = [Caption(texts[0], texts[1:]) for texts in GROUPS] * 4


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of `vilem train-mlm` after one step: what it says is nearly random, and that is enough."""
    texts = [text for group in GROUPS for text in group]
    training = train_masked_lm(texts, MlmSettings(steps=1, batch=8, width=16, layers=1, vocabulary=100))
    list(training.run())
    folder = tmp_path_factory.mktemp("mlm") / "model"
    save_masked_lm(training.model(), folder)
    return folder


def kinds(part: EditsPart | None, seed: int = 0) -> Counter[str]:
    """How many edits of each kind an editor makes of the captions."""
    edits = make_editor(part, GROUPS).edit(CAPTIONS, np.random.default_rng(seed))
    return Counter(edit.kind for edit in edits if edit is not None)


def test_without_a_part_rules_of_all_kinds_edit() -> None:
    """The default needs no model: several kinds of rules, none of a language model."""
    found = kinds(None)

    assert len(found) > 2
    assert "mlm" not in found


def test_kinds_are_those_asked_for_by_their_weights() -> None:
    """Only the kinds named are made, the heavier more often."""
    found = kinds(EditsPart(kinds={"swap": 1.0, "object": 9.0}))

    assert {"swap", "object"} >= set(found)
    assert found["object"] > 2 * found["swap"]


def test_a_language_model_edits_beside_rules(language_model: Path) -> None:
    """With weight for both, both kinds of edits come; with weight for one, only its."""
    mixed = kinds(EditsPart(rules=1, masked=3, masked_lm=language_model, likelihood=100))
    alone = kinds(EditsPart(rules=0, masked=1, masked_lm=language_model, likelihood=100))

    assert mixed["mlm"] > 0
    assert sum(mixed.values()) > mixed["mlm"]
    assert {"mlm"} == set(alone)


def test_the_settings_reach_the_language_model(language_model: Path) -> None:
    """With one candidate a word there is little to draw; a larger share of masked words changes more of them."""

    def changed(**settings: Any) -> float:  # noqa: ANN401 # fields of the part, of any type
        part = EditsPart(rules=0, masked=1, masked_lm=language_model, likelihood=100, **settings)
        edits = make_editor(part, GROUPS).edit(CAPTIONS, np.random.default_rng(0))
        return float(np.mean([sum(edit.wrong) if edit else 0 for edit in edits]))

    assert changed(top=1) < changed(top=50)
    assert changed(least=0.1, most=0.1) < changed(least=0.9, most=0.9)


def test_kept_edits_are_made_once(language_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made beforehand is drawn from, whoever asks and in whatever order; the model is not asked again."""
    part = EditsPart(rules=0, masked=1, masked_lm=language_model, likelihood=100, cache=tmp_path / "edits", cached=2)

    progress = list(fill_cache(part, GROUPS, seed=1))

    assert (60, 60) == progress[-1]
    monkeypatch.setattr("models.negatives.masked.MaskedEditor.edit", None)
    assert [] != list(fill_cache(part, GROUPS, seed=2))
    editor = make_editor(part, GROUPS)
    one, other = Caption(GROUPS[0][0], GROUPS[0][1:]), Caption(GROUPS[1][0], GROUPS[1][1:])
    first = editor.edit([one, other], np.random.default_rng(3))
    assert first == make_editor(part, GROUPS).edit([one, other], np.random.default_rng(3))


def test_kept_edits_are_made_on_the_device_that_is_told(tmp_path: Path) -> None:
    """The model computes where it is told, which may be a card; on one that keeps no numbers nothing can be made."""
    save_small_bert(tmp_path / "bert")
    part = EditsPart(rules=0, masked=1, hugging_face=str(tmp_path / "bert"), cache=tmp_path / "edits")

    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        list(fill_cache(part, GROUPS, 1, torch.device("meta")))

    assert [] != list(fill_cache(part, GROUPS, 1))


def test_without_a_cache_nothing_is_made_beforehand() -> None:
    """Rules are quick: there is nothing to fill."""
    assert [] == list(fill_cache(None, GROUPS, seed=0))
    assert [] == list(fill_cache(EditsPart(), GROUPS, seed=0))


def test_likely_words_are_refused_or_left_to_the_image(language_model: Path, tmp_path: Path) -> None:
    """Where images judge, edits that the filter refuses are made and marked, kept ones too; the limit is the same."""

    def marked(margin: float | None, limit: float, cache: Path | None = None) -> list[bool]:
        part = EditsPart(
            rules=0, masked=1, masked_lm=language_model, refuted=margin, likelihood=limit, cache=cache, most=0.2
        )
        edits = make_editor(part, GROUPS).edit(CAPTIONS, np.random.default_rng(0))
        return [edit.likely for edit in edits if edit is not None]

    refused, judged = marked(None, 1.0), marked(0.0, 1.0)

    assert not any(refused)
    assert len(refused) < len(judged)
    assert any(judged) and any(marked(0.0, 1.0, tmp_path))
    assert not any(marked(0.0, 1e9))


def test_without_a_language_model_there_is_nothing_to_judge() -> None:
    """Rules know nothing of likelihood: to let images judge them is refused."""
    with pytest.raises(ValueError, match="refuted: a language model says"):
        EditsPart(refuted=0.0)


def test_a_missing_language_model_is_told(tmp_path: Path) -> None:
    """A folder that is none says so, whichever kind was asked for."""
    with pytest.raises(MaskedLmInvalid, match="no masked language model"):
        make_editor(EditsPart(masked=1, masked_lm=tmp_path), GROUPS)
    with pytest.raises(MaskedLmInvalid, match="cannot be had"):
        make_editor(EditsPart(masked=1, hugging_face=str(tmp_path)), GROUPS)
