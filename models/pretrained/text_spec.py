"""The tokenizer of an open_clip model as the bundle's `tokenizer.json` and text specification."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import tokenizers
import torch
from torch import nn

from models.errors import ExportError
from models.manifest import TextSpec
from models.pretrained.architecture import Architecture
from models.pretrained.causal import is_causal
from models.pretrained.quiet import quiet
from models.pretrained.samples import SAMPLE_TEXTS
from models.pretrained.tokenizers import clip_tokenizer_json
from models.text import CleanMode, Tokenizer

_CLEANING: dict[str, CleanMode] = {
    "_clean_lower": "lower", "_clean_whitespace": "whitespace", "_clean_canonicalize": "canonicalize",
}  # fmt: skip


class OpenClipTokenizer(Protocol):
    """What all of open_clip's tokenizers have; those of Hugging Face keep theirs in `tokenizer`."""

    context_length: int
    clean_fn: Callable[[str], str]

    def __call__(self, texts: list[str]) -> torch.Tensor:
        """Ids [n, context_length]."""
        ...


def load_tokenizer(open_clip: ModuleType, architecture: Architecture) -> OpenClipTokenizer:
    """open_clip's tokenizer of an architecture.

    Raises:
        ExportError: its files are on a hub that does not answer, or are no tokenizer.
    """
    text, source = architecture.text, architecture.text.get("hf_tokenizer_name")
    try:
        with quiet():
            if not source:
                return open_clip.get_tokenizer(architecture.name)
            return open_clip.tokenizer.HFTokenizer(
                source,
                context_length=text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH),
                tokenizer_mode=text.get("tokenizer_mode"),
                **text.get("tokenizer_kwargs", {}),
            )
    except Exception as error:
        # transformers, its hub client and their network raise exceptions without a base in common
        raise ExportError(
            f"the tokenizer {source!r} of {architecture.name} cannot be had ({first_line(error)}): check the network, "
            "or fetch its tokenizer files elsewhere and give their folder as --text-files"
        ) from error


def text_of(open_clip: ModuleType, model: nn.Module, tokenizer: OpenClipTokenizer) -> tuple[TextSpec, bytes]:
    """The text specification and `tokenizer.json` that give open_clip's ids.

    Raises:
        ExportError: no specification gives them.
    """
    length, cleaning = tokenizer.context_length, getattr(tokenizer.clean_fn, "__name__", "")
    if cleaning not in _CLEANING:
        raise ExportError(f"the text cleaning {cleaning} is not supported: {', '.join(_CLEANING.values())} are")
    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        found = clip_tokenizer_json()
        spec = TextSpec(
            context_length=length,
            causal=is_causal(model),
            clean=_CLEANING[cleaning],
            eot_id=tokenizer.eot_token_id,
        )
    else:
        found = _tokenizer_json(tokenizer)
        spec = TextSpec(
            context_length=length,
            causal=False,
            clean=_CLEANING[cleaning],
            pad_id=tokenizer.tokenizer.pad_token_id,
            eot_id=_last_of_a_cut_text(tokenizer, found),
        )
    _expect_equal_ids(model, tokenizer, Tokenizer(tokenizers.Tokenizer.from_str(found), spec))
    return spec, found.encode()


def first_line(error: Exception) -> str:
    """What an exception says first: those of hubs go on for a page."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def _tokenizer_json(tokenizer: OpenClipTokenizer) -> str:
    backend = getattr(tokenizer.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ExportError(
            f"the tokenizer {type(tokenizer.tokenizer).__name__} has no tokenizer.json: save it as a fast one, and give "
            "its folder as --text-files"
        )
    if tokenizer.tokenizer.pad_token_id is None:
        raise ExportError("the tokenizer has no padding token: name it as pad_token in its tokenizer_config.json")
    # cutting and padding are the runtime's: they would only be a trace of who called the tokenizer last
    backend.no_truncation()
    backend.no_padding()
    document = json.loads(backend.to_str())
    if tokenizer.strip_sep_token:
        _without(document["post_processor"], tokenizer.tokenizer.sep_token_id)
    return json.dumps(document, ensure_ascii=False)


def _without(processor: dict[str, Any], marker: int) -> None:
    """Let the end marker come out as 0, as CLIPA's tokenizer has it."""
    if processor["type"] == "BertProcessing":
        processor["sep"][1] = 0
        return
    for special in processor.get("special_tokens", {}).values():
        special["ids"] = [0 if number == marker else number for number in special["ids"]]


def _last_of_a_cut_text(tokenizer: OpenClipTokenizer, document: str) -> int | None:
    """The marker that ends a text even when it is too long; None when such a text is simply cut."""
    text = "one two " * tokenizer.context_length
    whole = tokenizers.Tokenizer.from_str(document).encode(text.strip()).ids
    last = int(tokenizer([text])[0, -1])
    return last if last != whole[tokenizer.context_length - 1] else None


def _expect_equal_ids(model: nn.Module, theirs: OpenClipTokenizer, ours: Tokenizer) -> None:
    expected = theirs(list(SAMPLE_TEXTS)).numpy()
    known = getattr(model, "vocab_size", None) or np.iinfo(np.int64).max
    if expected.max() >= known:
        raise ExportError(
            f"the tokenizer gives the id {expected.max()}, the model knows {known}: these are another model's text files"
        )
    found = ours.encode(SAMPLE_TEXTS).ids
    if not np.array_equal(expected, found):
        row = int(np.flatnonzero((expected != found).any(axis=1))[0])
        raise ExportError(
            f"the bundle's tokenizer would read {SAMPLE_TEXTS[row][:40]!r} as {found[row][:8].tolist()}…, the model's "
            f"as {expected[row][:8].tolist()}…: this kind of tokenizer is not supported; report it with its name"
        )
