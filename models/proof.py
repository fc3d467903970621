"""What a proofreader says of a text beside an image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WordProof:
    """One word beside one image.

    Attributes:
        text: as it is written in `Proof.text`, from character *start* to *end*.
        start: first character.
        end: one past the last.
        support: 1 - P(wrong), calibrated, in [0, 1]; None for a word that was not read, because it lies beyond the
            model's context.
        corrections: of a contradicted word, the words in lower case that fit best, with their probabilities.
        contradicted: whether P(wrong) is above the proofreader's threshold (`Proof.threshold`).
    """

    text: str
    start: int
    end: int
    support: float | None
    corrections: tuple[tuple[str, float], ...] = ()
    contradicted: bool = False


@dataclass(frozen=True)
class Proof:
    """A text beside one image.

    Attributes:
        text: as the model reads it: cleaned as the bundle has it, which for CLIP means lower case and single spaces.
        words: its words, in order; none where only the score was asked for.
        score: sum over the words that were read of log(1 - P(wrong)), at most 0; 0 for a text without words.
        read: how many words that were.
        threshold: the P(wrong) above which a word is contradicted.
    """

    text: str
    words: tuple[WordProof, ...]
    score: float
    read: int
    threshold: float = 0.5
