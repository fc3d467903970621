"""A text of any length becomes a vector: at once, or sentence by sentence where the model does not read it at once.

In two steps, so that what a request asks for can be counted before any of it is embedded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from service.encoding.embedding import Timings
from service.encoding.models import Model, Tokens
from service.queries.composing import Term, composed
from service.queries.sentences import MAX_PIECES, split, weight_of
from service.queries.together import in_turn, together
from service.runtime import Runtime


@dataclass(frozen=True)
class Pieces:
    """The tokens of a text.

    Attributes:
        tokens: of the whole, or of each of its pieces.
        parted: whether it is too long to be read at once.
        truncated: whether its end is lost.
    """

    tokens: Sequence[Tokens]
    parted: bool = False
    truncated: bool = False


@dataclass(frozen=True)
class Read:
    """What was read of a text: its vector (d,) float32, in how many pieces if not at once, and whether its end is lost."""

    vector: np.ndarray
    sentences: int | None = None
    truncated: bool = False


async def pieces_of(runtime: Runtime, model: Model, text: str, timings: Timings, *, field: str) -> Pieces:
    """Tokenise *text*; one beyond the model's context in pieces.

    Raises:
        QueryInvalid: it is longer than the setting allows; names *field*.
        TextInvalid: it is not Unicode.
        QueueFull, DeadlineExceeded: too much is waiting.
    """
    tokens = await in_turn(lambda: runtime.embedder.tokens(model, text, timings, field=field))
    if not tokens.truncated:
        return Pieces([tokens])
    with timings.stage("tokenize"):
        # pictures that decode slowly hold up no text
        return await in_turn(lambda: model.read(lambda: parted(model, text), runtime.settings.deadline_s))


async def read_pieces(runtime: Runtime, model: Model, pieces: Pieces, timings: Timings, *, field: str) -> Read:
    """Embed a text; of one in pieces each of them, and of those the mean, of unit length.

    Each counts by its tokens: `service.queries.sentences.weight_of`.

    Raises:
        QueryInvalid: its pieces cancel each other; names *field*.
        QueueFull, DeadlineExceeded: too much is waiting.
    """
    embedder, settings = runtime.embedder, runtime.settings
    if not pieces.parted:
        return Read((await in_turn(lambda: embedder.text_of(model, pieces.tokens[0], timings))).vector)
    found = await together(
        [lambda each=each: in_turn(lambda: embedder.text_of(model, each, timings)) for each in pieces.tokens],
        min(settings.max_batch, settings.max_queue),
    )
    vector = composed([Term(each.vector, weight_of(each.tokens)) for each in found], field)
    return Read(vector, len(found), pieces.truncated)


def parted(model: Model, text: str) -> Pieces:
    """The first `MAX_PIECES` pieces of *text*; takes milliseconds.

    Raises:
        TextInvalid: it is not Unicode.
    """
    tokenizer = model.bundle.tokenizer

    def fits(texts: Sequence[str]) -> list[bool]:
        return [not cut for cut in tokenizer.encode(texts).truncated.tolist()]

    pieces = list(islice(split(text, fits), MAX_PIECES + 1))
    batch = tokenizer.encode(pieces[:MAX_PIECES])
    rows = zip(batch.ids, batch.lengths.tolist(), batch.truncated.tolist(), strict=True)
    tokens = [Tokens(ids, length, cut) for ids, length, cut in rows]
    return Pieces(tokens, parted=True, truncated=len(pieces) > MAX_PIECES or any(each.truncated for each in tokens))
