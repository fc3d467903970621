"""Plausible edits: content words are masked one after the other and drawn again by a masked language model."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from models.negatives.edited import Edited, Replacement, replaced
from models.negatives.editor import Caption
from models.negatives.english import EMPTY_NOUNS, STOP_WORDS
from models.negatives.filters import Change, Filters, default_filters, words_of
from models.negatives.inflect import is_plural
from models.negatives.lexicon import Lexicon, closed
from models.negatives.phrases import Parsed, parse
from models.negatives.words import Word, split_words


@dataclass(frozen=True)
class Guess:
    """What a language model would put in a word's place.

    Attributes:
        words: (K) whole words in lower case, the likeliest first.
        log_p: (K) their log-probabilities.
        original: log-probability of the word that stands there; None when the model has no such word.
    """

    words: tuple[str, ...]
    log_p: np.ndarray
    original: float | None


class Guesser(Protocol):
    """A masked language model over whole words."""

    @property
    def version(self) -> str:
        """Changes with the weights."""
        ...

    def knows(self, word: str) -> bool:
        """Whether it can tell how likely the word, in lower case, is: others are not chosen."""
        ...

    def guess(self, texts: Sequence[tuple[str, Word]], top: int) -> list[Guess]:
        """For each (text, word of it) the *top* likeliest words in its place."""
        ...


def in_batches(
    guess: Callable[[Sequence[tuple[str, Word]], int], list[Guess]],
    texts: Sequence[tuple[str, Word]],
    top: int,
    size: int,
) -> list[Guess]:
    """What *guess* says of all texts, given *size* at a time: what a network holds at once is bounded."""
    return [found for start in range(0, len(texts), size) for found in guess(texts[start : start + size], top)]


@dataclass(frozen=True)
class MaskedSettings:
    """How much is edited, and how boldly.

    Attributes:
        least, most: share of the content words that is chosen, drawn anew for each caption; at least one word is.
        top: how many of the model's words are candidates.
        temperature: from this range, drawn for each caption; above 1 rarer words are drawn more often.
        relations: how many times as likely as other words prepositions of place and numbers are chosen.
        likely: edits with a word more than so many times as likely as the original are marked; None marks none.
    """

    least: float = 0.15
    most: float = 0.40
    top: int = 50
    temperature: tuple[float, float] = (1.0, 1.5)
    relations: float = 2.0
    likely: float | None = None


class MaskedEditor:
    """Edits captions with a masked language model.

    Args:
        model: the language model.
        lexicon: parts of speech.
        filters: which candidates are refused.
        settings: how much and how boldly.

    Attributes:
        refused: how many drawn candidates each filter refused; "kept" counts the ones it let pass.
    """

    def __init__(
        self,
        model: Guesser,
        lexicon: Lexicon,
        filters: Filters | None = None,
        settings: MaskedSettings | None = None,
    ) -> None:
        self._model = model
        self._lexicon = lexicon
        self._filters = filters or default_filters()
        self._settings = settings or MaskedSettings()
        self.refused = Counter[str]()
        self.version = (
            f"masked-1-{model.version}-{lexicon.version}-{self._filters.version}-{_brief(self._settings)}"
        )  # fmt: skip

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """One edit of each caption; None where no word could be replaced."""
        drafts = [self._draft(caption, rng) for caption in captions]
        for turn in range(max((len(draft.places) for draft in drafts), default=0)):
            open_ones = [draft for draft in drafts if turn < len(draft.places)]
            masked = [draft.masked(draft.places[turn]) for draft in open_ones]
            for draft, guess in zip(open_ones, self._model.guess(masked, self._settings.top), strict=True):
                self._choose(draft, draft.places[turn], guess, rng)
        return [draft.edited() for draft in drafts]

    def _draft(self, caption: Caption, rng: np.random.Generator) -> "_Draft":
        parsed, settings = parse(caption.text, self._lexicon), self._settings
        places = [place for place in range(len(parsed.words)) if self._is_content(parsed, place)]
        weights = np.array(
            [settings.relations if parsed.tags[place] in ("preposition", "number") else 1.0 for place in places]
        )
        share = rng.uniform(settings.least, settings.most)
        temperature = float(rng.uniform(*settings.temperature))
        count = min(len(places), max(1, round(share * len(places))))
        chosen = rng.choice(places, count, replace=False, p=weights / weights.sum()) if places else np.zeros(0)
        return _Draft(parsed, words_of(caption.others), [int(place) for place in chosen], temperature, {})

    def _is_content(self, parsed: Parsed, place: int) -> bool:
        word = parsed.lower[place]
        if parsed.tags[place] == "other" or word in EMPTY_NOUNS or parsed.denied(place):
            return False
        return self._model.knows(word)

    def _choose(self, draft: "_Draft", place: int, guess: Guess, rng: np.random.Generator) -> None:
        # the order of the largest perturbed logits is a draw without replacement (Gumbel-top-k)
        order = np.argsort(-(guess.log_p / draft.temperature + rng.gumbel(size=len(guess.log_p))))
        here = draft.words_here()
        for candidate in order:
            new, old = guess.words[int(candidate)], draft.parsed.lower[place]
            if not self._fits(draft.parsed, place, new):
                continue
            likelihood = None if guess.original is None else float(np.exp(guess.log_p[candidate] - guess.original))
            refusal = self._filters.refusal(Change(old, new, here, draft.elsewhere, likelihood))
            self.refused[refusal or "kept"] += 1
            if refusal is None:
                draft.new[place] = new
                limit = self._settings.likely
                draft.likely |= limit is not None and likelihood is not None and likelihood > limit
                return

    def _fits(self, parsed: Parsed, place: int, new: str) -> bool:
        """Whether a word can stand there: no stop-word, same part of speech, same number."""
        words = (*parsed.lower[:place], new, *parsed.lower[place + 1 :])
        tag = parsed.tags[place]
        if new in STOP_WORDS or new in EMPTY_NOUNS or not new[0].isalnum():
            return False
        if tag in ("preposition", "number"):
            # "one dogs" would be seen to be wrong without the image
            return closed(new) == tag and (new == "one") == (parsed.lower[place] == "one")
        if self._lexicon.tag(words, parsed.broken)[place] != tag:
            return False
        return tag != "noun" or is_plural(new) == is_plural(parsed.lower[place])


@dataclass
class _Draft:
    """A caption on its way: what was chosen, and what stands there so far."""

    parsed: Parsed
    elsewhere: frozenset[str]
    places: list[int]
    temperature: float
    new: dict[int, str]
    likely: bool = False

    def edited(self) -> Edited | None:
        if not self.new:
            return None
        return replace(replaced(self.parsed.text, self._replacements(), "mlm"), likely=self.likely)

    def masked(self, place: int) -> tuple[str, Word]:
        """The text so far and the word of it to guess."""
        if not self.new:
            return self.parsed.text, self.parsed.words[place]
        text = replaced(self.parsed.text, self._replacements(), "mlm").text
        return text, split_words(text)[place]

    def words_here(self) -> frozenset[str]:
        return frozenset(self.parsed.lower) | frozenset(self.new.values())

    def _replacements(self) -> list[Replacement]:
        return [Replacement(place, place + 1, word) for place, word in self.new.items()]


def _brief(settings: MaskedSettings) -> str:
    low, high = settings.temperature
    brief = f"{settings.least:g}-{settings.most:g}-{settings.top}-{low:g}-{high:g}-{settings.relations:g}"
    return brief if settings.likely is None else f"{brief}-marked-{settings.likely:g}"
