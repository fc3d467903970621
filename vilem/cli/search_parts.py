"""What `vilem search` is asked with beside its sentence or picture, and which of the hits it shows."""

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import typer

from vilem.cli.search_sought import Sought

if TYPE_CHECKING:
    import numpy as np

    from index.searcher import Hit, Searcher
    from models.bundle import Bundle
    from models.matching import Matching
    from service.queries.composing import Term

# of what is to be away: more would take away the rest of the query too (docs/queries.md)
_MINUS = -0.5
# Rocchio's, as the HTTP API has them
_ROCCHIO = (1.0, 0.75, 0.15)
_CANDIDATES = 50


@dataclass(frozen=True)
class Parts:
    """Texts to be near to and away from, a change from one text to another, and items that are liked and disliked."""

    plus: list[str] = field(default_factory=list[str])
    minus: list[str] = field(default_factory=list[str])
    change: tuple[str, str] | None = None
    liked: list[str] = field(default_factory=list[str])
    disliked: list[str] = field(default_factory=list[str])

    @property
    def are_given(self) -> bool:
        """Whether there is any."""
        return bool(self.plus or self.minus or self.change or self.judged)

    @property
    def judged(self) -> list[str]:
        """Items that are liked or disliked."""
        return [*self.liked, *self.disliked]


@dataclass(frozen=True)
class Embedded:
    """A text's vector (d,), in how many pieces it was read if not at once, and whether its end is lost."""

    vector: "np.ndarray"
    sentences: int | None = None
    truncated: bool = False


def embed_text(bundle: "Bundle", text: str) -> Embedded:
    """Embed a text as the service does: one beyond the context sentence by sentence."""
    from service.queries.composing import Term, composed
    from service.queries.sentences import MAX_PIECES, split, weight_of

    whole = bundle.embed_texts([text])
    if not whole.truncated[0]:
        return Embedded(whole.vectors[0])
    encode = bundle.tokenizer.encode
    found = list(islice(split(text, lambda some: (~encode(some).truncated).tolist()), MAX_PIECES + 1))
    pieces = found[:MAX_PIECES]
    lengths = encode(pieces).lengths.tolist()
    embedded = bundle.embed_texts(pieces)
    terms = [Term(vector, weight_of(length)) for vector, length in zip(embedded.vectors, lengths, strict=True)]
    lost = len(found) > MAX_PIECES or bool(embedded.truncated.any())
    return Embedded(composed(terms, "query"), len(pieces), lost)


def put_together(bundle: "Bundle", searcher: "Searcher", vector: "np.ndarray", parts: Parts) -> "np.ndarray":
    """The query's vector with all its parts.

    Raises:
        BadParameter: an item is not there, or the parts cancel each other.
    """
    from service.errors import QueryInvalid
    from service.queries.composing import Term, composed, moved

    named = searcher.vectors(parts.judged)
    for item in parts.judged:
        if item not in named:
            raise typer.BadParameter(f"collection {searcher.name} has no item {item!r}")
    terms = [Term(vector, 1.0), *_terms(bundle, parts)]
    try:
        query = composed(terms, "query")
        if not named:
            return query
        return moved(
            query, [named[each] for each in parts.liked], [named[each] for each in parts.disliked], _ROCCHIO, ""
        )
    except QueryInvalid as error:
        raise typer.BadParameter(str(error)) from error


def _terms(bundle: "Bundle", parts: Parts) -> "list[Term]":
    import numpy as np

    from service.queries.composing import Term

    weighed = [(text, 1.0) for text in parts.plus] + [(text, _MINUS) for text in parts.minus]
    if parts.change is not None:
        before, after = parts.change
        weighed += [(after, 1.0), (before, -1.0)]
    terms = [Term(embed_text(bundle, text).vector, weight) for text, weight in weighed]
    if parts.change is not None and np.array_equal(terms[-1].vector, terms[-2].vector):
        raise typer.BadParameter("--change: the model reads both texts alike: the change is none; say what differs")
    return terms


def find(searcher: "Searcher", vector: "np.ndarray", sought: Sought, *, without: list[str]) -> "list[Hit]":
    """The hits that are sought, of a score that is high enough, but for those items; where that was asked no two alike.

    Moments are only found: of them none is left out by its item, and none stands otherwise.
    """
    most = sought.limit if sought.trade is None else max(sought.limit, _CANDIDATES)
    # captions of an item are no items
    gone = list(dict.fromkeys(without)) if sought.target == "images" else []
    kept = [hit for hit in sought.best(searcher, vector, most, gone) if hit.score >= sought.least]
    return (kept if sought.trade is None else _diverse(searcher, kept, sought.trade))[: sought.limit]


def _diverse(searcher: "Searcher", hits: "list[Hit]", trade: float) -> "list[Hit]":
    import numpy as np

    from service.queries.diversity import diverse_order

    if not hits:
        return hits
    ids = [hit.id for hit in hits]
    items, captions = searcher.vectors(ids), {}
    if hits[0].caption is not None:
        captions = searcher.caption_vectors(ids)
    vectors = np.stack([captions[hit.id, hit.caption] if hit.caption is not None else items[hit.id] for hit in hits])
    return [hits[place] for place in diverse_order(np.array([hit.score for hit in hits]), vectors, trade)]


def matching_of(searcher: "Searcher", bundle: "Bundle") -> "Matching | None":
    """What cosines of its texts and images mean, where it or its bundle was calibrated.

    Raises:
        MatchingInvalid: that is damaged.
    """
    from models.matching import read_matching

    folders = (searcher.view.collection.path, bundle.path)
    return next((found for folder in folders if (found := read_matching(folder, bundle.digest)) is not None), None)
