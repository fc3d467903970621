"""How much one request may ask for: of the towers, texts and pictures, counted before any of them is embedded; and hits."""

import math

from service.errors import AsksTooMuch
from service.schemas.parts import Part, Query
from service.schemas.query import Reranking, SearchOptions

# To split a long text takes as long as to embed a few short ones: of what is that many times too much the end is not looked at.
_HOPELESS = 4
# To lay a text beside so many stored pictures takes the proofreader as long as a tower takes for one.
_STORED = 10
# Of several searches together. Each is read from the cache or a record, checked and written: some 0.1 ms, and 4 KB of answer.
MAX_HITS = 2_000


def texts_in(query: Query) -> dict[str, str]:
    """All texts of a query that are embedded, by their field."""
    found: dict[str, str] = {}
    for field, part in parts_of(query):
        if part.text is not None:
            found[f"{field}.text"] = part.text
        if isinstance(part, Part) and part.change is not None:
            found |= {f"{field}.change.to": part.change.after, f"{field}.change.from": part.change.before}
    return found


def items_in(query: Query) -> dict[str, str]:
    """The ids of all items that a query names, by their field."""
    found = {f"{field}.id": part.id for field, part in parts_of(query) if part.id is not None}
    for name in ("liked", "disliked"):
        judged: tuple[str, ...] = () if query.feedback is None else getattr(query.feedback, name)
        found |= {f"query.feedback.{name}.{place}": each for place, each in enumerate(judged)}
    return found


def pictures_in(query: Query) -> int:
    """How many pictures of a query are embedded."""
    return sum(part.image is not None or part.url is not None for _, part in parts_of(query))


def parts_of(query: Query) -> list[tuple[str, Query | Part]]:
    """What a query is put together of, with their fields; the query itself where it has no parts."""
    if query.parts is None:
        return [("query", query)]
    return [(f"query.parts.{place}", part) for place, part in enumerate(query.parts)]


def read_anew(options: SearchOptions, reranking: Reranking | None) -> int:
    """How many captions are read to order them anew; of pictures, which were read when they were indexed, some count as one."""
    if reranking is None:
        return 0
    return reranking.candidates if options.target == "texts" else math.ceil(reranking.candidates / _STORED)


def hits_of(options: SearchOptions) -> int:
    """How many hits a search makes at most: those that are shown, and those of which they are chosen."""
    return options.limit + (0 if options.diversify is None else options.diversify.candidates)


def expect_few_hits(hits: int) -> None:
    """Refuse a request of more hits than one may have.

    Raises:
        AsksTooMuch: tells how many they are.
    """
    if hits > MAX_HITS:
        raise AsksTooMuch(
            f"the searches ask for {hits:,} hits together, {MAX_HITS:,} are allowed in a request (the sum of `limit`, and of "
            "`candidates` of `diversify`): send them in several requests, or ask for fewer"
        )


class Tally:
    """What one request asks of the towers, counted as it becomes known.

    Args:
        most: that it may ask for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._inputs = 0

    def add(self, inputs: int) -> None:
        """Count so many more.

        Raises:
            AsksTooMuch: it is hopeless: the rest need not be counted.
        """
        self._inputs += inputs
        if self._inputs > _HOPELESS * self._most:
            expect_few(self._inputs, self._most, more="at least ")

    def expect_few(self) -> None:
        """Raises AsksTooMuch, which tells how many they are, when they are too many."""
        expect_few(self._inputs, self._most)


def expect_few(inputs: int, most: int, *, more: str = "") -> None:
    """Refuse a request of more inputs than may be.

    Raises:
        AsksTooMuch: tells how many they are.
    """
    if inputs > most:
        raise AsksTooMuch(
            f"the request asks for {more}{inputs:,} texts and pictures to be read, {most:,} are allowed (VILEM_MAX_INPUTS; a long "
            "text counts with each of its pieces, and candidates to re-rank do too): send it in several requests, or less of it"
        )
