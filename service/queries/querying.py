"""What a search is made with becomes one vector: parts, changes and feedback too (docs/queries.md). Knows nothing of HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from service.encoding.embedding import Embedded, Timings
from service.encoding.inputs import checked_vector, decode_base64
from service.errors import ItemUnknown, QueryInvalid, UrlRefused, UrlUnreachable
from service.queries.composing import Term, composed, moved
from service.queries.long_texts import read_text
from service.queries.together import in_turn, together
from service.runtime import Runtime
from service.schemas.parts import Feedback, Part, Query
from service.served import Served


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


async def meant_by(runtime: Runtime, served: Served, query: Query | ImageFile, timings: Timings) -> Meant:
    """The vector of a query, and what is known of it.

    Raises:
        ItemUnknown: it names an item that is not there.
        QueryInvalid: a part cannot be read, or the parts cancel each other; names the field.
        ServiceError, InputError: as `service.problems` lists them.
    """
    if isinstance(query, ImageFile):
        return await _of_image(runtime, served, lambda: query.data, timings)
    # before anything is computed, and all in one look-up
    named = {} if query.is_plain and query.id is None else await _vectors_of(runtime, served, query, timings)
    asking = _Asking(runtime, served, named, timings)
    own = await _own(asking, query)
    if query.feedback is not None:
        return _moved(own, query.feedback, named)
    assert own is not None, "the request was checked: without feedback there is something else"
    return own


@dataclass(frozen=True)
class _Asking:
    """What every part needs: *named* holds the vectors of all items that the query names."""

    runtime: Runtime
    served: Served
    named: Mapping[str, np.ndarray]
    timings: Timings


async def _own(asking: _Asking, query: Query) -> Meant | None:
    """Of the query without its feedback; None where nothing else was given."""
    if query.parts is not None:
        return await _of_parts(asking, query.parts)
    return await _single(asking, query, "query") if query.given else None


async def _single(asking: _Asking, each: Query | Part, field: str) -> Meant:
    """Of one text, image, item or vector."""
    runtime, served, timings = asking.runtime, asking.served, asking.timings
    if each.text is not None:
        read = await read_text(runtime, served.model, each.text, timings, field=f"{field}.text")
        kind = "text" if read.sentences is None and not read.truncated else None
        return Meant(read.vector, kind, each.text, sentences=read.sentences, truncated=read.truncated)
    if each.image is not None:
        image = each.image
        return await _of_image(runtime, served, lambda: decode_base64(image, f"{field}.image"), timings)
    if each.url is not None:
        data = await _fetched(asking, each.url, f"{field}.url")
        return await _of_image(runtime, served, lambda: data, timings)
    if each.id is not None:
        return Meant(asking.named[each.id], "image", item=each.id, excluded=(each.id,))
    return Meant(checked_vector(each.vector or [], served.searcher.dim, f"{field}.vector"))


async def _fetched(asking: _Asking, url: str, field: str) -> bytes:
    with asking.timings.stage("fetch"):
        try:
            return await asking.runtime.fetcher.fetch(url)
        except (UrlRefused, UrlUnreachable) as error:
            error.field = field
            raise


async def _of_image(runtime: Runtime, served: Served, data: Callable[[], bytes], timings: Timings) -> Meant:
    async def embed() -> Embedded:
        # base64 is read in the threads that decode pictures
        return await runtime.embedder.image(served.model, await runtime.decoders.run(data), timings)

    found = await in_turn(embed)
    return Meant(found.vector, "image", pixels=found.pixels)


async def _of_parts(asking: _Asking, parts: tuple[Part, ...]) -> Meant:
    def maker(place: int, part: Part) -> Callable[[], Awaitable[tuple[list[Term], Meant | None]]]:
        return lambda: _of_part(asking, part, f"query.parts.{place}")

    settings = asking.runtime.settings
    makers = [maker(place, part) for place, part in enumerate(parts)]
    made = await together(makers, min(settings.max_batch, settings.max_queue))
    vector = composed([term for terms, _ in made for term in terms], "query.parts")
    singles = [single for _, single in made if single is not None]
    liked = [part.id for part in parts if part.id is not None and part.weight > 0]
    return Meant(
        vector,
        excluded=tuple(dict.fromkeys(liked)),
        sentences=sum(each.sentences or 1 for each in singles) if any(each.sentences for each in singles) else None,
        truncated=any(each.truncated for each in singles),
    )


async def _of_part(asking: _Asking, part: Part, field: str) -> tuple[list[Term], Meant | None]:
    """A part's terms; of one that is no change also what it means."""
    if part.change is None:
        single = await _single(asking, part, field)
        return [Term(single.vector, part.weight)], single
    model = asking.served.model
    texts = {"to": part.change.after, "from": part.change.before}
    after, before = [
        await read_text(asking.runtime, model, text, asking.timings, field=f"{field}.change.{name}")
        for name, text in texts.items()
    ]
    if np.array_equal(after.vector, before.vector):
        raise QueryInvalid(f"{field}.change", "the model reads both texts alike: the change is none; say what differs")
    return [Term(after.vector, part.weight), Term(before.vector, -part.weight)], None


async def _vectors_of(runtime: Runtime, served: Served, query: Query, timings: Timings) -> dict[str, np.ndarray]:
    """Vectors of all items that a query names, by id."""
    judged = () if query.feedback is None else (*query.feedback.liked, *query.feedback.disliked)
    asked = [query.id, *(part.id for part in query.parts or ()), *judged]
    wanted = dict.fromkeys(each for each in asked if each is not None)
    if not wanted:
        return {}
    with timings.stage("lookup"):
        found = await runtime.readers.run(lambda: served.searcher.vectors(list(wanted)))
    for item_id in wanted:
        if item_id not in found:
            raise ItemUnknown(f"collection {served.searcher.name!r} has no item {item_id[:100]!r}")
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
