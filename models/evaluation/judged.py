"""Which words of an edited text are judged, and what a proofreader says of them.

Only words that some edit changes or puts in are judged: no edit ever makes "the" wrong, so a detector that knows the
editable words, and nothing of the picture, would tell them from all others and seem to see.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.negatives.edited import Edited
from models.proof import Proof


@dataclass(frozen=True)
class Judged:
    """One word that may be wrong.

    Attributes:
        wrong: whether it was changed.
        own: P(wrong) beside its own picture.
        other: beside another's.
        restored: whether the first guess is the right word; None where there is not exactly one, or none that it knows.
        edit: the text that it stands in.
        place: its number among the words there.
        guess: what the proofreader would put there first; None where it was not asked.
    """

    wrong: bool
    own: float
    other: float
    restored: bool | None
    edit: Edited
    place: int
    guess: str | None = None

    @property
    def kind(self) -> str:
        """Of the edit."""
        return self.edit.kind


def editable(edits: Iterable[Edited]) -> frozenset[str]:
    """The words, in lower case, that stand where a word was changed, before or after."""
    found: set[str] = set()
    for edit in edits:
        found.update(word.text.lower() for word, wrong in zip(edit.words, edit.wrong, strict=True) if wrong)
        found.update(word for word in edit.should_be if word)
    return frozenset(found)


def judge(
    edit: Edited, own: Proof, other: Proof, words: frozenset[str], vocabulary: frozenset[str]
) -> Iterator[Judged]:
    """The words of one text that may be wrong; those that were not read, because they lie beyond the context, are left out.

    Args:
        edit: the text with its labels.
        own: its proof beside its own picture, with corrections of all wrong words (`Proofreader.correcting`).
        other: beside another's; its corrections are not looked at.
        words: those that are judged, see `editable`.
        vocabulary: the words that can be answered.

    Raises:
        ValueError: the proofs are of a text with another number of words.
    """
    columns = zip(edit.words, edit.wrong, edit.should_be, own.words, other.words, strict=True)
    for place, (word, wrong, right, mine, others) in enumerate(columns):
        if word.text.lower() not in words or mine.support is None or others.support is None:
            continue
        best = mine.corrections[0][0] if mine.corrections else None
        restored = best == right if wrong and right in vocabulary else None
        yield Judged(wrong, 1 - mine.support, 1 - others.support, restored, edit, place, best)
