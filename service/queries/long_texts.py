"""A text of any length becomes a vector: at once, or sentence by sentence where the model does not read it at once."""

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
class Read:
    """What was read of a text: its vector (d,) float32, in how many pieces if not at once, and whether its end is lost."""

    vector: np.ndarray
    sentences: int | None = None
    truncated: bool = False


async def read_text(runtime: Runtime, model: Model, text: str, timings: Timings, *, field: str = "query.text") -> Read:
    """Embed *text*; of one beyond the model's context each sentence, and of those the mean, of unit length.

    Each counts by its tokens: `service.queries.sentences.weight_of`.

    Raises:
        QueryInvalid: it is longer than the setting allows; names *field*.
        TextInvalid: it is not Unicode.
        QueueFull, DeadlineExceeded: too much is waiting.
    """
    embedder = runtime.embedder
    tokens = await in_turn(lambda: embedder.tokens(model, text, timings, field=field))
    if not tokens.truncated:
        return Read((await in_turn(lambda: embedder.text_of(model, tokens, timings))).vector)
    with timings.stage("tokenize"):
        pieces, all_read = await in_turn(lambda: runtime.decoders.run(lambda: pieces_of(model, text)))
    settings = runtime.settings
    found = await together(
        [lambda piece=piece: in_turn(lambda: embedder.text_of(model, piece, timings)) for piece in pieces],
        min(settings.max_batch, settings.max_queue),
    )
    vector = composed([Term(each.vector, weight_of(each.tokens)) for each in found], field)
    return Read(vector, len(pieces), truncated=not all_read or any(piece.truncated for piece in pieces))


def pieces_of(model: Model, text: str) -> tuple[list[Tokens], bool]:
    """The tokens of the first `MAX_PIECES` pieces of *text*, and whether those are all; takes milliseconds.

    Raises:
        TextInvalid: it is not Unicode.
    """
    tokenizer = model.bundle.tokenizer

    def fits(texts: Sequence[str]) -> list[bool]:
        return [not cut for cut in tokenizer.encode(texts).truncated.tolist()]

    pieces = list(islice(split(text, fits), MAX_PIECES + 1))
    read = pieces[:MAX_PIECES]
    batch = tokenizer.encode(read)
    rows = zip(batch.ids, batch.lengths.tolist(), batch.truncated.tolist(), strict=True)
    return [Tokens(ids, length, cut) for ids, length, cut in rows], len(pieces) <= MAX_PIECES
