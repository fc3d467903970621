"""The source of edited captions that a recipe asks for: rules, a masked language model, or both by weight."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from models.negatives.cache import CachedEditor
from models.negatives.editor import Editor, Mixture
from models.negatives.filters import Filters, default_filters, learn_exchanges
from models.negatives.hugging_face import CPU
from models.negatives.lexicon import Lexicon
from models.negatives.masked import MaskedEditor, MaskedSettings
from models.negatives.repeated import Repeated
from models.negatives.rules import RuleEditor
from models.negatives.said import Said
from models.training.language_model import load_language_model
from models.training.pairs import caption_of
from models.training.parts import EditsPart

# pictures whose captions are compared for words that they exchange: more teach little, and their pairs fill the memory
_EXCHANGING = 20_000


def make_editor(part: EditsPart | None, captions: Sequence[tuple[str, ...]]) -> Editor:
    """Make the editor of a recipe.

    Args:
        part: what it asks for; None for rules alone, by word, without the filter of exchanged words.
        captions: of the training pictures: parts of speech and exchanged words are learnt from them.

    Raises:
        MaskedLmInvalid: the language model cannot be loaded.
        EditsInvalid: the cache was altered.
    """
    lexicon = Lexicon.learn(text for texts in captions for text in texts)
    return RuleEditor(lexicon) if part is None else _mixture(part, lexicon, captions)


def fill_cache(
    part: EditsPart | None, captions: Sequence[tuple[str, ...]], seed: int, device: torch.device = CPU
) -> Iterator[tuple[int, int]]:
    """Make the language model's edits of all captions that the recipe's cache lacks.

    So that training finds them there: what a step draws then depends on its own lots alone, and not on who came first.

    Args:
        part: what the recipe asks for.
        captions: of the training pictures.
        seed: of the edits.
        device: where the language model computes.

    Yields:
        After each batch, how many captions are done, and of how many; nothing when the recipe has no cache.
    """
    if part is None or part.cache is None:
        return
    lexicon = Lexicon.learn(text for texts in captions for text in texts)
    # by no forked process, so it may be a card
    editor = _cached(part, lexicon, _filters(part, captions), device)
    wanted = [caption_of(texts, choice) for texts in captions for choice in range(len(texts))]
    for done in editor.fill(wanted, seed):
        yield done, len(wanted)


def _mixture(part: EditsPart, lexicon: Lexicon, captions: Sequence[tuple[str, ...]]) -> Editor:
    filters = _filters(part, captions)
    editors: dict[str, tuple[Editor, float]] = {}
    if part.rules:
        rules = _rules(part, lexicon, filters, captions)
        editors["rules"] = Repeated(rules, part.again, part.errors) if part.again else rules, part.rules
    if part.masked:
        masked = _masked(part, lexicon, filters) if part.cache is None else _cached(part, lexicon, filters)
        editors["masked"] = masked, part.masked
    (only, _), *others = editors.values()
    return Mixture(editors) if others else only


def _rules(part: EditsPart, lexicon: Lexicon, filters: Filters, captions: Sequence[tuple[str, ...]]) -> Editor:
    said = None
    if part.plausible:
        # one caption of each picture: what is said at all is said of many
        said = Said.learn((texts[0] for texts in captions[:_EXCHANGING] if texts), lexicon)
    if not part.kinds:
        return RuleEditor(lexicon, filters=filters, said=said)
    return Mixture(
        {kind: (RuleEditor(lexicon, (kind,), filters, said), weight) for kind, weight in sorted(part.kinds.items())}
    )


def _masked(part: EditsPart, lexicon: Lexicon, filters: Filters, device: torch.device = CPU) -> MaskedEditor:
    settings = MaskedSettings(part.least, part.most, part.top, part.temperature)
    if part.refuted is not None:
        settings = replace(settings, likely=part.likelihood)
    return MaskedEditor(load_language_model(part, device), lexicon, filters, settings)


def _cached(part: EditsPart, lexicon: Lexicon, filters: Filters, device: torch.device = CPU) -> CachedEditor:
    if part.cache is None:
        raise ValueError("the recipe's edits have no cache")
    return CachedEditor(_masked(part, lexicon, filters, device), part.cache.expanduser(), part.cached)


def _filters(part: EditsPart, captions: Sequence[tuple[str, ...]]) -> Filters:
    exchanges = learn_exchanges(captions[:_EXCHANGING]) if part.exchanges else None
    # where the image judges likely words, they are made for it to judge
    return default_filters(exchanges, likelihood=part.likelihood if part.refuted is None else math.inf)
