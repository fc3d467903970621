"""An edited caption with a label for every word, made from known replacements or by aligning two texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.negatives.english import NUMBERS
from models.negatives.inflect import article, singular
from models.negatives.words import Word, split_pieces, split_words

ARTICLES = frozenset(("a", "an"))
_COUNTS = ARTICLES | frozenset(NUMBERS)


@dataclass(frozen=True)
class Edited:
    """An edited caption of W words.

    Attributes:
        text: the edited caption.
        words: (W) its words, `split_words(text)`.
        wrong: (W) True where a word was changed. What only follows a change is right: the article of another noun ("a
            cup", "an apple"), the noun of another number ("one cup", "two cups").
        should_be: (W) for a wrong word the word, in lower case, that belongs there when there is exactly one; else None.
        likely: a language model, which does not see the image, finds a new word likelier than the limit that it was given.
        kind: "mlm", "swap", "relation", "count", "attribute", "object", "in-batch", "several" (kinds) or "none".
    """

    text: str
    words: tuple[Word, ...]
    wrong: tuple[bool, ...]
    should_be: tuple[str | None, ...]
    kind: str
    likely: bool = False


class Replacement(NamedTuple):
    """Words *start* to *stop* (exclusive) of a text give way to *text*.

    Attributes:
        start: first word.
        stop: the word after the last.
        text: what is put there.
        follows: it is only the grammar of another replacement ("two circles" for "one circle"), and no error in itself.
    """

    start: int
    stop: int
    text: str
    follows: bool = False


def unedited(text: str) -> Edited:
    """The text itself, nothing wrong with it."""
    words = split_words(text)
    return Edited(text, words, (False,) * len(words), (None,) * len(words), "none")


def replaced(text: str, replacements: Sequence[Replacement], kind: str) -> Edited:
    """Put replacements into a text; capitals and the articles before them follow.

    Args:
        text: the original.
        replacements: spans of words that do not overlap, in any order.
        kind: what to call the edit.
    """
    edited = Spliced.of(split_pieces(text), replacements)
    return edited.labelled(kind, split_words(edited.text))


class Spliced(NamedTuple):
    """A text that replacements were put into, to be labelled if it is wanted.

    Attributes:
        text: the edited text.
        truth: (start, end) of each wrong span in characters of it, and the words, in lower case, that stood there.
    """

    text: str
    truth: list[tuple[int, int, tuple[str, ...]]]

    @classmethod
    def of(cls, pieces: Sequence[str], replacements: Sequence[Replacement]) -> "Spliced":
        """Put replacements, as for `replaced`, into a text that `split_pieces` cut."""
        parts: list[str] = []
        truth: list[tuple[int, int, tuple[str, ...]]] = []
        done = length = 0
        for each in sorted(replacements):
            # word i is piece 2 i + 1
            first, last = 2 * each.start + 1, 2 * each.stop
            new = _cased(each.text, pieces[first])
            kept = _with_article("".join(pieces[done:first]), new)
            parts += [kept, new]
            start = length + len(kept)
            length = start + len(new)
            if not each.follows:
                truth.append((start, length, tuple(word.lower() for word in pieces[first:last:2])))
            done = last
        return cls("".join([*parts, *pieces[done:]]), truth)

    def labelled(self, kind: str, words: tuple[Word, ...]) -> Edited:
        """With a label for each of its *words*."""
        wrong = [False] * len(words)
        labels: list[str | None] = [None] * len(words)
        for start, end, was in self.truth:
            inside = [place for place, word in enumerate(words) if word.start < end and word.end > start]
            for number, place in enumerate(inside):
                wrong[place] = True
                labels[place] = was[number] if len(was) == len(inside) else None
        return Edited(self.text, words, tuple(wrong), tuple(labels), kind)


def edited_again(original: str, first: Edited, second: Edited) -> Edited | None:
    """What two edits, one after the other, make of a caption.

    Args:
        original: the caption.
        first: an edit of it.
        second: an edit of *first*'s text.

    Returns:
        The text of *second*, labelled beside the caption; None where that cannot be said word
        by word: *second* has other words than *first* in number, or changes again what *first* changed.
    """
    if len(first.words) != len(second.words):
        return None
    if any(before and after for before, after in zip(first.wrong, second.wrong, strict=True)):
        return None
    wrong = tuple(before or after for before, after in zip(first.wrong, second.wrong, strict=True))
    # what the second edit took may itself have followed the first, as "hexagons" follows "three": the caption has "hexagon"
    there = [word.text.lower() for word in split_words(original)]
    aligned_to = there if len(there) == len(second.words) else [None] * len(second.words)
    meant = [
        after and (word or (after if after in there else None))
        for after, word in zip(second.should_be, aligned_to, strict=True)
    ]
    should_be = tuple(before or after for before, after in zip(first.should_be, meant, strict=True))
    kind = first.kind if first.kind == second.kind else "several"
    return Edited(second.text, second.words, wrong, should_be, kind, first.likely or second.likely)


def aligned(original: str, edited: str, kind: str) -> Edited:
    """Label a text that somebody edited, by its longest common subsequence of words with the original.

    Words are compared without case, and "a" equals "an". A word that moved is wrong where it does not match. Between
    two words that match, as many new words as old ones are taken one for one. The noun of another count is right.
    """
    before, words = split_words(original), split_words(edited)
    wrong = [True] * len(words)
    labels: list[str | None] = [None] * len(words)
    matches = [*_matches([_key(word) for word in before], [_key(word) for word in words]), (len(before), len(words))]
    old = new = 0
    for old_match, new_match in matches:
        if old_match - old == new_match - new:
            labels[new:new_match] = _lower(before[old:old_match])
        if new_match < len(words):
            wrong[new_match] = False
        old, new = old_match + 1, new_match + 1
    for place in _follows_a_count([word.text.lower() for word in words], labels):
        wrong[place], labels[place] = False, None
    return Edited(edited, words, tuple(wrong), tuple(labels), kind)


def _follows_a_count(words: Sequence[str], labels: Sequence[str | None]) -> Iterator[int]:
    """Places of nouns that only changed their number, each the first after a count that changed."""
    counted = False
    for place, (word, was) in enumerate(zip(words, labels, strict=True)):
        if was is None:
            continue
        if _is_count(word) and _is_count(was):
            counted = True
        elif counted and word != was and singular(word) == singular(was):
            yield place
            counted = False


def _is_count(word: str) -> bool:
    return word in _COUNTS or word.isdigit()


def _matches(before: list[str], after: list[str]) -> list[tuple[int, int]]:
    """Pairs of equal words: as many as can be, and of those the choice that leaves most words in pairs."""
    rows, columns = len(before), len(after)
    # one match outweighs every gap there could be
    reward = rows + columns + 1
    best = [[-(rows - row) - (columns - column) for column in range(columns + 1)] for row in range(rows + 1)]
    for row in reversed(range(rows)):
        here, below = best[row], best[row + 1]
        for column in reversed(range(columns)):
            both = below[column + 1] + (reward if before[row] == after[column] else 0)
            here[column] = max(both, below[column] - 1, here[column + 1] - 1)
    found: list[tuple[int, int]] = []
    row = column = 0
    while row < rows and column < columns:
        equal = before[row] == after[column]
        if best[row][column] == best[row + 1][column + 1] + (reward if equal else 0):
            found += [(row, column)] if equal else []
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column] - 1:
            row += 1
        else:
            column += 1
    return found


def _key(word: Word) -> str:
    text = word.text.casefold()
    return "a" if text in ARTICLES else text


def _lower(words: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.text.lower() for word in words)


def _cased(new: str, old: str) -> str:
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _with_article(kept: str, following: str) -> str:
    """The text before a replacement, with the article at its end, if there is one, put right for what follows."""
    bare = kept.rstrip(" ")
    last = bare.rsplit(" ", 1)[-1]
    if last.lower() not in ARTICLES:
        return kept
    return bare[: len(bare) - len(last)] + _cased(article(following), last) + kept[len(bare) :]
