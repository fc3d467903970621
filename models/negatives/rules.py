"""Edits that no language model makes: swaps, flipped relations, other counts, other attributes and objects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from models.negatives.swaps import attribute_swaps, noun_swaps

RuleKind = Literal["swap", "relation", "count", "attribute", "object", "in-batch"]
RULE_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)
Option = tuple[RuleKind, Choice | Replacements]
Places = tuple[int, ...]
# tries to draw words to make wrong before all of a caption's edits are looked for
_DRAWS = 16


@dataclass
class _Request:
    """One caption to edit: taken apart, with the other captions of its image."""

    parsed: Parsed
    others: tuple[str, ...]
    batch: InBatch
    lexicon: Lexicon

    @cached_property
    def here(self) -> frozenset[str]:
        """The caption's words."""
        return frozenset(self.parsed.lower)

    @cached_property
    def elsewhere(self) -> frozenset[str]:
        """Words that are known to be true of its image."""
        return words_of(self.others)

    @cached_property
    def said(self) -> str:
        """The segments of the caption; none of them has a comma in it."""
        return ",".join(_segments(self.parsed.text))


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
        batch = InBatch.of(parsed)
        return [
            self._one(_Request(each, caption.others, batch, self._lexicon), rng)
            for each, caption in zip(parsed, captions, strict=True)
        ]

    def _one(self, request: _Request, rng: np.random.Generator) -> Edited | None:
        for options in self._by_lot(request, rng):
            for number in rng.random(len(options)).argsort().tolist():
                kind, option = options[number]
                for replacements in option.draw(rng) if isinstance(option, Choice) else (option,):
                    if self._passes(kind, request, replacements):
                        edited = Spliced.of(request.parsed.pieces, replacements)
                        after = parsed_once(edited.text, self._lexicon)
                        if self._may_be_said(request, after):
                            return edited.labelled(kind, after.words)
        return None

    def _by_lot(self, request: _Request, rng: np.random.Generator) -> Iterator[list[Option]]:
        """Edits of a caption, those that make the same words wrong together, by lot.

        The weight of words that one edit makes wrong is the mean over them of one by the number of such sets of words
        that each is in: what many others touch too is drawn later. That is what comes of drawing a word, then one of its
        sets, and keeping a set of n words once in n times; nothing has to be known of other words for it. Only where a
        few such draws gave no edit, which is seldom, all sets are looked for.
        """
        drawn = set[Places]()
        count = len(request.parsed.lower)
        for _ in range(_DRAWS if count else 0):
            found = self._touching(request, int(rng.random() * count))
            if found:
                places = list(found)[int(rng.random() * len(found))]
                if (len(places) == 1 or rng.random() * len(places) < 1) and places not in drawn:
                    drawn.add(places)
                    yield found[places]
        each = [self._touching(request, place) for place in range(count)]
        found = {places: options for some in each for places, options in some.items() if places not in drawn}
        rates = [sum([1 / len(each[place]) for place in places]) / len(places) for places in found]
        # the order of exponential waiting times is a draw by weight without replacement
        order = (rng.exponential(size=len(found)) / np.array(rates)).argsort().tolist()
        rest = list(found.values())
        yield from (rest[number] for number in order)

    def _touching(self, request: _Request, place: int) -> dict[Places, list[Option]]:
        """Every edit that makes a word wrong, by the words that it makes wrong with it."""
        found: dict[Places, list[Option]] = {}
        for kind in self._kinds:
            for change in _BY_KIND[kind](request, place):
                if isinstance(change, Choice):
                    places = (change.place,)
                else:
                    places = tuple([each.start for each in change if not each.follows])
                found.setdefault(places, []).append((kind, change))
        return found

    def _may_be_said(self, request: _Request, after: Parsed) -> bool:
        """Whether the edited caption says something new, and nothing that the text alone shows to be wrong."""
        if _repeats(request, after.text):
            return False
        return self._said is None or not self._said.new_pairs(request.parsed, after)

    def _passes(self, kind: RuleKind, request: _Request, replacements: Replacements) -> bool:
        """Swaps and flips use the caption's own words or closed lists: only new words need the filters."""
        if kind in ("swap", "relation"):
            return True
        if kind == "count":
            return replacements[0].text not in request.elsewhere
        words, here, elsewhere = request.parsed.lower, request.here, request.elsewhere
        return all(
            self._filters.refusal(Change(words[each.start], each.text, here, elsewhere)) is None
            for each in replacements
        )


def _repeats(request: _Request, text: str) -> bool:
    """Whether the edited caption only says again what the original says elsewhere, and so may be as true."""
    if text.lower() == request.parsed.text.lower():
        return True
    return all(segment in request.said for segment in _segments(text))


def _segments(text: str) -> list[str]:
    marked = text.lower()
    for sign in (";", " and ", ".", " shows ", " exactly ", ": "):
        marked = marked.replace(sign, ",")
    return [f" {segment.strip()} " for segment in marked.split(",") if segment.strip()]


def _swaps(request: _Request, place: int) -> list[Replacements]:
    return [*attribute_swaps(request.parsed, place), *noun_swaps(request.parsed, place)]


# the edits of a kind that make a word wrong, it alone or with others
_BY_KIND: Mapping[RuleKind, Callable[[_Request, int], Sequence[Choice | Replacements]]] = {
    "swap": _swaps,
    "relation": lambda request, place: relation_flips(request.parsed, place),
    "count": lambda request, place: count_changes(request.parsed, place),
    "attribute": lambda request, place: attribute_choices(request.parsed, place, request.lexicon),
    "object": lambda request, place: noun_choices(request.parsed, place, request.lexicon),
    "in-batch": lambda request, place: in_batch_choices(request.parsed, place, request.batch),
}
