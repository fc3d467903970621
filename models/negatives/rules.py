"""Edits that no language model makes: swaps, flipped relations, other counts, other attributes and objects."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.negatives.changes import (
    Choice,
    InBatch,
    Replacements,
    attribute_choices,
    count_changes,
    in_batch_choices,
    noun_choices,
    relation_flips,
)
from models.negatives.edited import Edited, replaced
from models.negatives.editor import Caption
from models.negatives.filters import Change, Filters, default_filters, words_of
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import Parsed, parse
from models.negatives.said import Said
from models.negatives.swaps import attribute_swaps, noun_swaps

RuleKind = Literal["swap", "relation", "count", "attribute", "object", "in-batch"]
RULE_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)
Places = tuple[int, ...]


@dataclass(frozen=True)
class _Request:
    """One caption to edit: taken apart, with the words that are known to be true of its image."""

    parsed: Parsed
    elsewhere: frozenset[str]
    batch: InBatch


class RuleEditor:
    """Edits captions by rule; every word that can be made wrong is so about equally often.

    Were the kinds of edits equally likely instead, a caption's only number would be wrong far more often than one of its
    ten attributes, and a detector could tell much from the word alone.

    Args:
        lexicon: parts of speech, and the corpus's nouns for "object".
        kinds: which edits to make.
        filters: which changes of a word are refused.
        said: what the corpus says of things: edits that say something else of one are refused; None refuses none.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        kinds: Sequence[RuleKind] = RULE_KINDS,
        filters: Filters | None = None,
        said: Said | None = None,
    ) -> None:
        self._lexicon = lexicon
        self._said = said
        self._kinds = tuple(kinds)
        self._filters = filters or default_filters()
        self.version = f"rules-2-{'+'.join(self._kinds)}-{lexicon.version}-{self._filters.version}"
        if said is not None:
            self.version += f"-{said.version}"

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """One edit of each caption; None where no rule applies."""
        parsed = [parse(caption.text, self._lexicon) for caption in captions]
        batch = InBatch.of(parsed)
        return [
            self._one(_Request(each, words_of(caption.others), batch), rng)
            for each, caption in zip(parsed, captions, strict=True)
        ]

    def _one(self, request: _Request, rng: np.random.Generator) -> Edited | None:
        found = self._by_places(request)
        for places in _order(list(found), rng):
            options = found[places]
            for option in rng.permutation(len(options)):
                kind, change = options[int(option)]
                for replacements in change.draw(rng) if isinstance(change, Choice) else (change,):
                    edited = replaced(request.parsed.text, replacements, kind)
                    if self._passes(kind, request, replacements) and self._may_be_said(request, edited, replacements):
                        return edited
        return None

    def _by_places(self, request: _Request) -> dict[Places, list[tuple[RuleKind, Choice | Replacements]]]:
        """Every edit of a caption, by the words that it makes wrong."""
        found: dict[Places, list[tuple[RuleKind, Choice | Replacements]]] = {}
        for kind in self._kinds:
            if kind in _BY_TEXT:
                for change in _BY_TEXT[kind](request.parsed):
                    places = tuple(each.start for each in change if not each.follows)
                    found.setdefault(places, []).append((kind, change))
            else:
                for choice in self._choices(kind, request):
                    found.setdefault((choice.place,), []).append((kind, choice))
        return found

    def _choices(self, kind: RuleKind, request: _Request) -> list[Choice]:
        if kind == "object":
            return noun_choices(request.parsed, self._lexicon)
        if kind == "attribute":
            return attribute_choices(request.parsed, self._lexicon)
        return in_batch_choices(request.parsed, request.batch)

    def _may_be_said(self, request: _Request, edited: Edited, replacements: Replacements) -> bool:
        """Whether the edited caption says something new, and nothing that the text alone shows to be wrong."""
        if repeats(request.parsed, edited, replacements):
            return False
        return self._said is None or not self._said.new_pairs(request.parsed, parse(edited.text, self._lexicon))

    def _passes(self, kind: RuleKind, request: _Request, replacements: Replacements) -> bool:
        """Swaps and flips use the caption's own words or closed lists: only new words need the filters."""
        if kind in ("swap", "relation"):
            return True
        here = frozenset(request.parsed.lower)
        changes = [
            Change(request.parsed.lower[each.start], each.text, here, request.elsewhere) for each in replacements
        ]
        if kind == "count":
            return changes[0].new not in request.elsewhere
        return all(self._filters.refusal(change) is None for change in changes)


def _order(found: Sequence[Places], rng: np.random.Generator) -> list[Places]:
    """All of them in an order by lot; what many others touch too comes later."""
    touched = Counter(place for places in found for place in places)
    rates = [sum(1 / touched[place] for place in places) / len(places) for places in found]
    # the order of exponential waiting times is a draw by weight without replacement
    return [found[int(number)] for number in np.argsort(rng.exponential(size=len(found)) / rates)]


def repeats(parsed: Parsed, edited: Edited, replacements: Replacements) -> bool:
    """Whether the edited caption only says again what the original says elsewhere, and so may be as true."""
    if edited.text.lower() == parsed.text.lower():
        return True
    original = _segments(parsed.text)
    return bool(replacements) and all(
        any(segment in whole for whole in original) for segment in _segments(edited.text)
    )  # fmt: skip


def _segments(text: str) -> list[str]:
    marked = text.lower()
    for sign in (";", " and ", ".", " shows ", " exactly ", ": "):
        marked = marked.replace(sign, ",")
    return [f" {segment.strip()} " for segment in marked.split(",") if segment.strip()]


def _swaps(parsed: Parsed) -> list[Replacements]:
    return [*attribute_swaps(parsed), *noun_swaps(parsed)]


_BY_TEXT: Mapping[RuleKind, Callable[[Parsed], list[Replacements]]] = {
    "swap": _swaps,
    "relation": relation_flips,
    "count": count_changes,
}
