"""What a search is made with becomes one vector: parts, changes and feedback too (docs/queries.md). Knows nothing of HTTP."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from service.encoding.embedding import Embedded, Timings
from service.encoding.inputs import checked_vector, decode_base64, told_by
from service.errors import ItemUnknown, QueryInvalid
from service.queries.bounds import Tally, items_in, pictures_in, texts_in
from service.queries.composing import Term, composed, moved
from service.queries.long_texts import Pieces, Read, pieces_of, read_pieces
from service.queries.together import in_turn, together
from service.runtime import Runtime
from service.schemas.parts import Feedback, Part, Query
from service.served import Served

Made = TypeVar("Made")


@dataclass(frozen=True)
class ImageFile:
    """A picture as it was uploaded."""

    data: bytes


@dataclass(frozen=True)
class Meant:
    """What is searched with.

    Attributes:
        vector: (d,) float32 of unit norm.
        kind: "text" or "image" where it is the vector of one text, read at once, or of one image; else None.
        text: whose words, if it is a text.
        item: its id, if it is an item.
        pixels: (S, S, 3) uint8, if it is a picture that was sent.
        excluded: items that are no hits: those that were asked with, or judged.
        sentences: in how many pieces its text was read, if not at once.
        truncated: whether a text's end is lost.
    """

    vector: np.ndarray
    kind: Literal["text", "image"] | None = None
    text: str | None = None
    item: str | None = None
    pixels: np.ndarray | None = None
    excluded: tuple[str, ...] = ()
    sentences: int | None = None
    truncated: bool = False


@dataclass(frozen=True)
class Prepared:
    """A query of which everything is known that costs no embedding.

    Attributes:
        named: vectors of all items that the query names, by id.
        texts: its texts, tokenised, by their field.
    """

    runtime: Runtime
    served: Served
    query: Query | ImageFile
    timings: Timings
    named: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    texts: Mapping[str, Pieces] = field(default_factory=dict[str, Pieces])


async def prepare(
    runtime: Runtime, served: Served, query: Query | ImageFile, timings: Timings, tally: Tally
) -> Prepared:
    """Look up what a query names, and tokenise its texts; *tally* counts them and its pictures.

    Raises:
        AsksTooMuch: as `Tally.add`.
        ItemUnknown: it names an item that is not there; tells the field.
        QueryInvalid, TextInvalid: a text cannot be read; tells the field.
        ServiceError: as `service.problems` lists them.
    """
    if isinstance(query, ImageFile):
        tally.add(1)
        return Prepared(runtime, served, query, timings)
    tally.add(pictures_in(query))
    named = await _vectors_of(runtime, served, items_in(query), timings)
    texts = texts_in(query)

    async def read(where: str) -> Pieces:
        with told_by(where):
            pieces = await pieces_of(runtime, served.model, texts[where], timings, field=where)
        tally.add(len(pieces.tokens))
        return pieces

    made = await _side_by_side(runtime, [lambda where=where: read(where) for where in texts])
    return Prepared(runtime, served, query, timings, named, dict(zip(texts, made, strict=True)))


async def meant_by(asking: Prepared) -> Meant:
    """The vector of a query, and what is known of it.

    Raises:
        QueryInvalid: a part cannot be read, or the parts cancel each other; tells the field.
        ServiceError, InputError: as `service.problems` lists them.
    """
    query = asking.query
    if isinstance(query, ImageFile):
        return await _of_image(asking, lambda: query.data, "file")
    own = await _own(asking, query)
    if query.feedback is not None:
        return _moved(own, query.feedback, asking.named)
    assert own is not None, "the request was checked: without feedback there is something else"
    return own


async def _own(asking: Prepared, query: Query) -> Meant | None:
    """Of the query without its feedback; None where nothing else was given."""
    if query.parts is not None:
        return await _of_parts(asking, query.parts)
    return await _single(asking, query, "query") if query.given else None


async def _single(asking: Prepared, each: Query | Part, where: str) -> Meant:
    """Of one text, image, item or vector."""
    if each.text is not None:
        read = await _read(asking, f"{where}.text")
        kind = "text" if read.sentences is None and not read.truncated else None
        return Meant(read.vector, kind, each.text, sentences=read.sentences, truncated=read.truncated)
    if each.image is not None:
        image, place = each.image, f"{where}.image"
        return await _of_image(asking, lambda: decode_base64(image, place), place)
    if each.url is not None:
        return await _of_address(asking, each.url, f"{where}.url")
    if each.id is not None:
        return Meant(asking.named[each.id], "image", item=each.id, excluded=(each.id,))
    return Meant(checked_vector(each.vector or [], asking.served.searcher.dim, f"{where}.vector"))


async def _read(asking: Prepared, where: str) -> Read:
    return await read_pieces(asking.runtime, asking.served.model, asking.texts[where], asking.timings, field=where)


async def _of_address(asking: Prepared, url: str, where: str) -> Meant:
    async def embed() -> Embedded:
        async with AsyncExitStack() as held:
            with asking.timings.stage("fetch"):
                data = await held.enter_async_context(asking.runtime.fetcher.fetched(url))
            return await asking.runtime.embedder.image(asking.served.model, data, asking.timings)

    return await _of_embedded(embed, where)


async def _of_image(asking: Prepared, data: Callable[[], bytes], where: str) -> Meant:
    runtime = asking.runtime

    async def embed() -> Embedded:
        # base64 is read in the threads that decode pictures
        return await runtime.embedder.image(asking.served.model, await runtime.decoders.run(data), asking.timings)

    return await _of_embedded(embed, where)


async def _of_embedded(embed: Callable[[], Awaitable[Embedded]], where: str) -> Meant:
    with told_by(where):
        found = await in_turn(embed)
    return Meant(found.vector, "image", pixels=found.pixels)


async def _side_by_side(runtime: Runtime, makers: Sequence[Callable[[], Awaitable[Made]]]) -> list[Made]:
    """What each makes; no more at a time than share a batch. One by itself needs no task of its own."""
    if len(makers) == 1:
        return [await makers[0]()]
    return await together(makers, min(runtime.settings.max_batch, runtime.settings.max_queue))


async def _of_parts(asking: Prepared, parts: tuple[Part, ...]) -> Meant:
    def maker(place: int, part: Part) -> Callable[[], Awaitable[tuple[list[Term], list[Read]]]]:
        return lambda: _of_part(asking, part, f"query.parts.{place}")

    made = await _side_by_side(asking.runtime, [maker(place, part) for place, part in enumerate(parts)])
    vector = composed([term for terms, _ in made for term in terms], "query.parts")
    # of its texts, those of changes too
    reads = [each for _, found in made for each in found]
    liked = [part.id for part in parts if part.id is not None and part.weight > 0]
    return Meant(
        vector,
        excluded=tuple(dict.fromkeys(liked)),
        sentences=sum(each.sentences or 1 for each in reads) if any(each.sentences for each in reads) else None,
        truncated=any(each.truncated for each in reads),
    )


async def _of_part(asking: Prepared, part: Part, where: str) -> tuple[list[Term], list[Read]]:
    """A part's terms, and how its texts were read."""
    if part.text is not None:
        read = await _read(asking, f"{where}.text")
        return [Term(read.vector, part.weight)], [read]
    if part.change is None:
        return [Term((await _single(asking, part, where)).vector, part.weight)], []
    after, before = [await _read(asking, f"{where}.change.{name}") for name in ("to", "from")]
    if np.array_equal(after.vector, before.vector):
        raise QueryInvalid(f"{where}.change", "the model reads both texts alike: the change is none; say what differs")
    return [Term(after.vector, part.weight), Term(before.vector, -part.weight)], [after, before]


async def _vectors_of(
    runtime: Runtime, served: Served, asked: Mapping[str, str], timings: Timings
) -> dict[str, np.ndarray]:
    """Vectors of all items that a query names, by id, in one look-up; *asked* has the ids by their fields."""
    if not asked:
        return {}
    with timings.stage("lookup"):
        found = await runtime.readers.run(lambda: served.searcher.vectors(list(dict.fromkeys(asked.values()))))
    for where, item_id in asked.items():
        if item_id not in found:
            raise ItemUnknown(f"collection {served.searcher.name!r} has no item {item_id[:100]!r}", where)
    return found


def _moved(found: Meant | None, feedback: Feedback, named: Mapping[str, np.ndarray]) -> Meant:
    liked, disliked = ([named[each] for each in dict.fromkeys(ids)] for ids in (feedback.liked, feedback.disliked))
    weights = feedback.alpha, feedback.beta, feedback.gamma
    vector = moved(None if found is None else found.vector, liked, disliked, weights, "query.feedback")
    judged = () if feedback.include_judged else (*feedback.liked, *feedback.disliked)
    before = Meant(vector) if found is None else found
    excluded = tuple(dict.fromkeys((*before.excluded, *judged)))
    # its vector is that of no text or image any more
    return replace(before, vector=vector, kind=None, excluded=excluded)
