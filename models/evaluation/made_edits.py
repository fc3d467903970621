"""False captions where a data set has none: one edit of each caption by each rule, and one by a masked language model.

They are no test of SugarCrepe's, whose texts a person has seen, but of its kinds. What a caption is edited to is true of
its picture now and then, as far as no other caption of the picture says so: shares and areas are a little too low for that.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.evaluation.dataset import Dataset, DatasetInvalid, Edit
from models.negatives.editor import Caption, Editor, Mixture
from models.negatives.filters import default_filters, learn_exchanges
from models.negatives.lexicon import Lexicon
from models.negatives.masked import Guesser, MaskedEditor, MaskedSettings
from models.negatives.rules import RULE_KINDS, RuleEditor

MASKED = "masked"
# as in the recipe of photographs, whose captions seldom say all
LIKELIHOOD = 5.0


def with_made_edits(data: Dataset, guesser: Guesser | None = None, seed: int = 0) -> Dataset:
    """The data set with edits of its captions, by what it says itself; its source then says that they are made.

    Args:
        data: pictures and captions.
        guesser: a masked language model; None for rules alone.
        seed: equal data, models and seeds give equal edits.

    Raises:
        DatasetInvalid: it has false captions of its own, or no caption could be edited.
    """
    if any(entry.edits for entry in data.entries):
        raise DatasetInvalid(
            f"{data.source} has false captions of its own: leave --make-edits out to measure with them"
        )
    texts = [entry.captions for entry in data.entries]
    made = made_edits(texts, texts, guesser, seed)
    if not any(made):
        raise DatasetInvalid(
            f"no caption of {data.source} could be edited: expected English sentences that name things, colours or numbers"
        )
    entries = tuple(replace(entry, edits=edits) for entry, edits in zip(data.entries, made, strict=True))
    how = "rule" if guesser is None else "rule and language model"
    return replace(data, source=f"{data.source}, edited by {how} (seed {seed})", entries=entries)


def made_edits(
    texts: Sequence[tuple[str, ...]],
    known: Sequence[tuple[str, ...]],
    guesser: Guesser | None = None,
    seed: int = 0,
) -> list[tuple[Edit, ...]]:
    """One edit of each caption by each source of them, where it can make one.

    Args:
        texts: the captions of each picture.
        known: captions of one picture each that words, and what they are exchanged for, are learnt from.
        guesser: a masked language model, which edits one word of each caption; None for rules alone.
        seed: of each source's lots.

    Returns:
        For each picture its edits; a kind is a rule's name, or "masked".
    """
    owners = [(row, place) for row, captions in enumerate(texts) for place in range(len(captions))]
    captions = [Caption(texts[row][place], texts[row][:place] + texts[row][place + 1 :]) for row, place in owners]
    found: list[list[Edit]] = [[] for _ in texts]
    for kind, editor in _editors(known, guesser).items():
        edits = editor.edit(captions, np.random.default_rng(seed))
        for (row, place), edit in zip(owners, edits, strict=True):
            if edit is not None:
                found[row].append(Edit(edit.text, place, kind))
    return [tuple(each) for each in found]


def _editors(known: Sequence[tuple[str, ...]], guesser: Guesser | None) -> dict[str, Editor]:
    lexicon, exchanges = Lexicon.learn(text for captions in known for text in captions), learn_exchanges(known)
    filters = default_filters(exchanges)
    # mixtures of one, as a recipe's `kinds` makes them: by the same lots as in docs/results.md
    editors: dict[str, Editor] = {
        kind: Mixture({kind: (RuleEditor(lexicon, (kind,), filters), 1.0)}) for kind in RULE_KINDS
    }
    if guesser is not None:
        # a range of next to nothing: one word of each caption
        one = MaskedSettings(least=1e-6, most=1e-6)
        editors[MASKED] = MaskedEditor(guesser, lexicon, default_filters(exchanges, likelihood=LIKELIHOOD), one)
    return editors
