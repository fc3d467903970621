"""Filters against false negatives: edits after which the caption is, or may be, as true of its image as before."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, product
from typing import NamedTuple

from models.negatives.english import SYNONYMS
from models.negatives.inflect import same_word, singular
from models.negatives.words import lower_words


class Change(NamedTuple):
    """One word that would give way to another; all in lower case.

    Attributes:
        old: the word that stands there.
        new: the word that would.
        here: all words of the caption.
        elsewhere: all words of the other captions of its image.
        likelihood: how many times as likely as the old word a language model finds the new one; None when unknown.
    """

    old: str
    new: str
    here: frozenset[str]
    elsewhere: frozenset[str] = frozenset()
    likelihood: float | None = None


Refuses = Callable[[Change], bool]


@dataclass(frozen=True)
class Filters:
    """Named tests in their order; a change is refused by the first that says so.

    Attributes:
        tests: True = refuse.
        version: changes with what they refuse.
    """

    tests: Mapping[str, Refuses]
    version: str

    def refusal(self, change: Change) -> str | None:
        """The name of the filter that refuses the change, None when all let it pass."""
        for name, refuses in self.tests.items():
            if refuses(change):
                return name
        return None


@dataclass(frozen=True)
class Exchanges:
    """Words that captions of one image use for each other, learnt from such captions; symmetric."""

    partners: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def has(self, first: str, second: str) -> bool:
        """Whether the words, or their singulars, are exchanged often."""
        return singular(second) in self.partners.get(singular(first), frozenset())

    def to_json(self) -> str:
        """For `from_json`."""
        return json.dumps({word: sorted(self.partners[word]) for word in sorted(self.partners)})

    @classmethod
    def from_json(cls, text: str) -> "Exchanges":
        """What `to_json` wrote."""
        return cls({word: frozenset(partners) for word, partners in json.loads(text).items()})


def default_filters(exchanges: Exchanges | None = None, *, likelihood: float = 1.0) -> Filters:
    """All filters that need no image.

    Args:
        exchanges: words that captions exchange, from `learn_exchanges`; the closed list is always used.
        likelihood: refuse what a language model finds more than this many times as likely as the original.
    """
    learnt = exchanges or Exchanges()
    tests: dict[str, Refuses] = {
        "form of the word": lambda change: same_word(change.old, change.new),
        "in the caption": lambda change: _occurs(change.new, change.here),
        "in another caption": lambda change: _occurs(change.new, change.elsewhere),
        "synonym": lambda change: synonyms(change.old, change.new),
        "exchanged": lambda change: learnt.has(change.old, change.new),
        "as likely": lambda change: change.likelihood is not None and change.likelihood > likelihood,
    }
    return Filters(tests, f"filters-1-{likelihood:g}-{_digest(learnt.to_json())}")


def synonyms(first: str, second: str) -> bool:
    """Whether the closed list has the words, or their singulars, together: synonyms, or one a kind of the other."""
    return not _groups_of(first).isdisjoint(_groups_of(second))


@lru_cache(maxsize=16_384)
def _groups_of(word: str) -> frozenset[int]:
    return _GROUPS.get(word, frozenset()) | _GROUPS.get(singular(word), frozenset())


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """All words of some texts, in lower case."""
    return _words_of_all(tuple(texts))


# a caption edited several times over has the same captions beside it, and then itself too
@lru_cache(maxsize=512)
def _words_of_all(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset[str]().union(*map(_words_of, texts))


@lru_cache(maxsize=1024)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(lower_words(text))


def learn_exchanges(
    groups: Iterable[Sequence[str]], *, least: int = 8, lift: float = 3.0, apart: float = 3.0
) -> Exchanges:
    """Learn which words the captions of one image use for each other.

    Two words are exchanged when one caption of an image has the first where another has the second (neither has both)
    far more often than chance would have it, and hardly ever together in one caption: "couch" and "sofa" so, "dog" and
    "ball", which also go together, not.

    Args:
        groups: captions of one image each.
        least: images that show the exchange at least.
        lift: how many times as often as by chance they are exchanged.
        apart: how many times rarer, measured so, they stand in one caption.
    """
    words, exchanged, together, images, captions = _counts(groups)
    partners: dict[str, set[str]] = {}
    for (first, second), count in exchanged.items():
        if count < least:
            continue
        across = count * images / (words.image[first] * words.image[second])
        within = together[first, second] * captions / (words.caption[first] * words.caption[second])
        if across >= lift and within * apart <= across:
            partners.setdefault(first, set()).add(second)
            partners.setdefault(second, set()).add(first)
    return Exchanges({word: frozenset(found) for word, found in partners.items()})


@dataclass
class _WordCounts:
    image: Counter[str] = field(default_factory=Counter[str])
    caption: Counter[str] = field(default_factory=Counter[str])


def _counts(
    groups: Iterable[Sequence[str]],
) -> tuple[_WordCounts, Counter[tuple[str, str]], Counter[tuple[str, str]], int, int]:
    words, exchanged, together = _WordCounts(), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    images = captions = 0
    for group in groups:
        bags = [frozenset(singular(word) for word in words_of([caption])) for caption in group]
        images, captions = images + 1, captions + len(bags)
        words.image.update(frozenset[str]().union(*bags))
        exchanged.update(set(_exchanged(bags)))
        for bag in bags:
            words.caption.update(bag)
            together.update(combinations(sorted(bag), 2))
    return words, exchanged, together, images, captions


def _exchanged(bags: Sequence[frozenset[str]]) -> Iterator[tuple[str, str]]:
    for one, other in combinations(bags, 2):
        for first, second in product(one - other, other - one):
            yield (first, second) if first < second else (second, first)


def _occurs(word: str, words: frozenset[str]) -> bool:
    if word in words:
        return True
    start = word[:2]
    return any(same_word(word, each) for each in [each for each in words if each[:2] == start])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _groups() -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for number, group in enumerate(SYNONYMS):
        for word in group:
            found.setdefault(word, set()).add(number)
    return {word: frozenset(numbers) for word, numbers in found.items()}


_GROUPS = _groups()
