"""Edits that no language model makes: swaps, flipped relations, other counts, other attributes and objects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
from models.negatives.edited import Edited, Spliced
from models.negatives.editor import Caption
from models.negatives.filters import Change, Filters, default_filters, words_of
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import Parsed, parsed_once
from models.negatives.said import Said
from models.negatives.swaps import swaps

RuleKind = Literal["swap", "relation", "count", "attribute", "object", "in-batch"]
RULE_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)
Changes = Callable[[Parsed, int], Sequence[Choice | Replacements]]
Option = tuple[RuleKind, Choice | Replacements]
Places = tuple[int, ...]
# tries to draw words to make wrong before all of a caption's edits are looked for
_DRAWS = 16


@dataclass(frozen=True)
class _Request:
    """One caption to edit.

    Attributes:
        parsed: taken apart.
        others: the other captions of its image.
        here: the caption's words.
        changes: by kind, the edits that make one word wrong, it alone or with others.
    """

    parsed: Parsed
    others: tuple[str, ...]
    here: frozenset[str]
    changes: Sequence[tuple[RuleKind, Changes]]


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
        self.version = f"rules-3-{'+'.join(self._kinds)}-{lexicon.version}-{self._filters.version}"
        if said is not None:
            self.version += f"-{said.version}"

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """One edit of each caption; None where no rule applies."""
        parsed = [parsed_once(caption.text, self._lexicon) for caption in captions]
        changes = self._changes(InBatch.of(parsed))
        return [
            self._one(_Request(each, caption.others, frozenset(each.lower), changes), rng)
            for each, caption in zip(parsed, captions, strict=True)
        ]

    def _changes(self, batch: InBatch) -> list[tuple[RuleKind, Changes]]:
        known: dict[RuleKind, Changes] = {
            "swap": swaps,
            "relation": relation_flips,
            "count": count_changes,
            "attribute": partial(attribute_choices, lexicon=self._lexicon),
            "object": partial(noun_choices, lexicon=self._lexicon),
            "in-batch": partial(in_batch_choices, batch=batch),
        }
        return [(kind, known[kind]) for kind in self._kinds]

    def _one(self, request: _Request, rng: np.random.Generator) -> Edited | None:
        for options in _by_lot(request, rng):
            for number in rng.random(len(options)).argsort().tolist():
                kind, option = options[number]
                for replacements in option.draw(rng) if isinstance(option, Choice) else (option,):
                    if self._passes(kind, request, replacements):
                        edited = Spliced.of(request.parsed.pieces, replacements)
                        after = parsed_once(edited.text, self._lexicon)
                        if self._may_be_said(request, after, replacements):
                            return edited.labelled(kind, after.words)
        return None

    def _may_be_said(self, request: _Request, after: Parsed, replacements: Replacements) -> bool:
        """Whether the edited caption says something new, and nothing that the text alone shows to be wrong."""
        if _repeats(request, after.text, replacements):
            return False
        return self._said is None or not self._said.new_pairs(request.parsed, after)

    def _passes(self, kind: RuleKind, request: _Request, replacements: Replacements) -> bool:
        """Swaps and flips use the caption's own words or closed lists: only new words need the filters."""
        if kind in ("swap", "relation"):
            return True
        if kind == "count":
            return replacements[0].text not in words_of(request.others)
        words, here, elsewhere = request.parsed.lower, request.here, words_of(request.others)
        return all(
            self._filters.refusal(Change(words[each.start], each.text, here, elsewhere)) is None
            for each in replacements
        )


def _by_lot(request: _Request, rng: np.random.Generator) -> Iterator[list[Option]]:
    """Edits of a caption, those that make the same words wrong together, by lot.

    The weight of words that one edit makes wrong is the mean over them of one by the number of such sets of words
    that each is in: what many others touch too is drawn later. That is what comes of drawing a word, then one of its
    sets, and keeping a set of n words once in n times; nothing has to be known of other words for it. Only where a
    few such draws gave no edit, which is seldom, all sets are looked for.
    """
    drawn = set[Places]()
    count = len(request.parsed.lower)
    for _ in range(_DRAWS if count else 0):
        found = _touching(request, int(rng.random() * count))
        if found:
            places = list(found)[int(rng.random() * len(found))]
            if (len(places) == 1 or rng.random() * len(places) < 1) and places not in drawn:
                drawn.add(places)
                yield found[places]
    each = [_touching(request, place) for place in range(count)]
    found = {places: options for some in each for places, options in some.items() if places not in drawn}
    rates = [sum([1 / len(each[place]) for place in places]) / len(places) for places in found]
    # the order of exponential waiting times is a draw by weight without replacement
    order = (rng.exponential(size=len(found)) / np.array(rates)).argsort().tolist()
    rest = list(found.values())
    yield from (rest[number] for number in order)


def _touching(request: _Request, place: int) -> dict[Places, list[Option]]:
    """Every edit that makes a word wrong, by the words that it makes wrong with it."""
    found: dict[Places, list[Option]] = {}
    for kind, changes in request.changes:
        for change in changes(request.parsed, place):
            if isinstance(change, Choice):
                places = (change.place,)
            else:
                places = tuple([each.start for each in change if not each.follows])
            found.setdefault(places, []).append((kind, change))
    return found


def _repeats(request: _Request, text: str, replacements: Replacements) -> bool:
    """Whether the edited caption only says again what the original says elsewhere, and so may be as true."""
    original = request.parsed.text.lower()
    if any(each.text not in original for each in replacements):
        return False
    if text.lower() == original:
        return True
    # no segment has a comma in it
    said = ",".join(_segments(original))
    return all(segment in said for segment in _segments(text))


def _segments(text: str) -> list[str]:
    marked = text.lower()
    for sign in (";", " and ", ".", " shows ", " exactly ", ": "):
        marked = marked.replace(sign, ",")
    return [f" {segment.strip()} " for segment in marked.split(",") if segment.strip()]
