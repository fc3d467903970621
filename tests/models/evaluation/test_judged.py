"""Which words are judged, and how."""

import pytest

from models.evaluation.judged import Judged, editable, judge
from models.negatives.edited import Edited, aligned, unedited
from models.proof import Proof, WordProof

TRUE = "a red circle above a square"
RED = aligned(TRUE, "a blue circle above a square", "colour")
WORDS = editable([RED])
KNOWN = frozenset(("red", "green"))


def _proof(edit: Edited, unread: int = 0, **supports: float) -> Proof:
    """A proof of the text: 0.9 for each word that is not told otherwise, "red" as the one that belongs there."""
    words = [
        WordProof(word.text, word.start, word.end, supports.get(word.text, 0.9), (("red", 0.8), ("green", 0.1)))
        for word in edit.words
    ]
    end = len(words) - unread
    cut = [WordProof(word.text, word.start, word.end, None) for word in words[end:]]
    return Proof(edit.text, (*words[:end], *cut), 0.0, end)


def test_editable_words_are_those_before_and_after() -> None:
    """What an edit puts in and what it takes away can be wrong; what no edit touches cannot. Case is nothing."""
    assert frozenset(("red", "blue")) == WORDS
    assert frozenset(("red", "blue", "box")) == editable([RED, aligned("A Dog", "A BOX", "x")]) - {"dog"}
    assert frozenset() == editable([unedited(TRUE)])


def test_only_editable_words_are_judged() -> None:
    """Of an edited text the new word, of the true one the word that others lose: "above" is never looked at."""
    wrong = list(judge(RED, _proof(RED, blue=0.25), _proof(RED, blue=0.75), WORDS, KNOWN))
    right = list(judge(unedited(TRUE), _proof(unedited(TRUE)), _proof(unedited(TRUE), red=0.5), WORDS, KNOWN))

    assert [Judged(wrong=True, own=0.75, other=0.25, restored=True, edit=RED, place=1, guess="red")] == wrong
    assert [Judged(False, pytest.approx(0.1), 0.5, None, unedited(TRUE), 1, "red")] == right
    assert ("colour", "none") == (wrong[0].kind, right[0].kind)


@pytest.mark.parametrize(
    ("original", "vocabulary", "restored"),
    [
        ("a red circle", frozenset(("red",)), True),
        ("a green circle", frozenset(("red", "green")), False),
        ("a green circle", frozenset(("red",)), None),
        ("a very dark circle", frozenset(("red", "very", "dark")), None),
    ],
)
def test_a_word_is_restored_by_the_first_guess(
    original: str, vocabulary: frozenset[str], restored: bool | None
) -> None:
    """The first correction counts; where the right word is not one, or not one that the model knows, nothing is asked."""
    edit = aligned(original, "a blue circle", "colour")

    (found,) = judge(edit, _proof(edit), _proof(edit), frozenset(("blue",)), vocabulary)

    assert restored is found.restored


def test_without_a_guess_nothing_is_restored() -> None:
    """A word that nothing is proposed for counts as not restored."""
    edit = aligned("a red", "a blue", "colour")
    silent = Proof("", tuple(WordProof(word.text, word.start, word.end, 0.3) for word in edit.words), 0.0, 2)

    (found,) = judge(edit, silent, silent, frozenset(("blue",)), frozenset(("red",)))

    assert found.restored is False


@pytest.mark.parametrize("side", [0, 1])
def test_words_beyond_the_context_are_not_judged(side: int) -> None:
    """A word without support beside either picture is left out."""
    proofs = [_proof(RED), _proof(RED)]
    proofs[side] = _proof(RED, unread=5)

    assert [] == list(judge(RED, proofs[0], proofs[1], WORDS, KNOWN))


def test_another_text_is_refused() -> None:
    """A proof of another number of words cannot be laid beside the labels."""
    with pytest.raises(ValueError, match="zip"):
        list(judge(RED, _proof(unedited("a red")), _proof(RED), WORDS, KNOWN))
