"""Which hits `vilem search` looks for: how many, of what, among which items, and by which words beside the vector."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from vilem.cli.refuse import refuse

if TYPE_CHECKING:
    import numpy as np

    from index.question import Target, Words
    from index.searcher import Hit, Searcher

Where = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help="Only items that match it, see docs/filters.md; or @FILE."),
]
Hybrid = Annotated[bool, typer.Option("--hybrid", help="Search by the words of the sentence too (BM25).")]
WordsIn = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD", help="--hybrid: look in this field of text in place of captions; may be repeated."),
]

_HOW = """write it like '{"price": {"lt": 20}}', in single quotes, or name a file that holds it: @shop.json"""


@dataclass(frozen=True, eq=False)
class Sought:
    """Hits to look for.

    Attributes:
        target: items, captions or moments.
        limit: how many.
        trade: what --diversify says; None: the plain order.
        least: hits of a lower score are left out.
        among: sorted int64 row ids of the target that may be found; None: all.
        words: beside the vector; not of moments.
    """

    target: "Target"
    limit: int
    trade: float | None
    least: float
    among: "np.ndarray | None"
    words: "Words | None"

    def best(self, searcher: "Searcher", vector: "np.ndarray", most: int, without: Sequence[str]) -> "list[Hit]":
        """The best *most* of a vector (d,) but for the items of those ids, in the plain order and of any score.

        Raises:
            TextIndexMissing: they cannot be searched by words yet.
        """
        from index.question import Question

        if self.words is None:
            found = searcher.search(vector[None], [most + len(without)], self.target, among=self.among)[0]
            return [hit for hit in found if hit.id not in without][:most]
        assert self.target != "moments", "the options were checked"
        question = Question(vector, self.target, self.among, self.words, without=searcher.rows_of(without))
        # as deep as both rankings go, which decides how their scores are weighed
        return searcher.hits(searcher.ranked(question, 2 * self.words.depth).top(most), question)


def expect_words(
    words_in: Sequence[str], target: "Target", *, hybrid: bool, image: bool, reranks: bool, bounded: bool
) -> None:
    """Refuse what does not go with words beside the vector: what the HTTP API refuses too."""
    if not hybrid:
        refuse({"--words-in": list(words_in)}, "only --hybrid looks for words; add it, or leave this out")
        return
    if image:
        raise typer.BadParameter("--hybrid looks for the words of a sentence, and a picture brings none: leave it out")
    if target == "moments" or reranks:
        raise typer.BadParameter(
            "--hybrid is for items and captions, in its own order: leave it out, or --moments and --rerank"
        )
    if bounded:
        raise typer.BadParameter("--min-score: fused scores are no probabilities: leave --hybrid or --min-score out")
    if target == "texts":
        refuse({"--words-in": list(words_in)}, "captions are found by their own words; leave it out, or --texts")


def words_of(searcher: "Searcher", text: str, fields: Sequence[str]) -> "Words":
    """The words of *text*, weighed as the HTTP API does by default, in *fields* of text; of none in captions.

    Raises:
        FieldUnknown: one of them is no field of text; the message lists those there are.
    """
    from index.lexical.columns import text_columns
    from index.question import Words

    if not fields:
        return Words(text)
    return Words(text, columns=text_columns(searcher.view.collection.items.schema, fields, "--words-in"))


def read_filter(text: str) -> JsonValue:
    """The JSON of a filter, or of the file that `@PATH` names.

    Raises:
        BadParameter: it is none, or the file cannot be read.
    """
    source, data = "--filter", text.encode(errors="surrogateescape")
    if text.startswith("@"):
        source = f"--filter: {text[1:]}"
        try:
            data = Path(text[1:]).read_bytes()
        except OSError as error:
            raise typer.BadParameter(f"{source} cannot be read: {error.strerror}") from error
    try:
        # editors of some systems begin a file with a mark
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{source} is not UTF-8 ({error.reason} at byte {error.start}): save it so") from error
    except ValueError as error:
        raise typer.BadParameter(f"{source} is not JSON: {error}: {_HOW}") from error
    except RecursionError as error:
        raise typer.BadParameter(f"{source} is nested too deep: {_HOW}") from error
