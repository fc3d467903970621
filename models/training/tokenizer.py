"""A small tokenizer for a corpus of captions: byte-level BPE, so that no text is unknown."""

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

START, END = "<start>", "<end>"


def train_tokenizer(captions: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn at most *vocabulary* entries from captions that are clean and lower case.

    The markers come last: open_clip's towers pool at the position of the greatest id, which must be `<end>`.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(marker, tokenizer.token_to_id(marker)) for marker in (START, END)],
    )
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Token ids [n, t] of *texts*; t is the tokenizer's padded length, or the longest text's with 0 after the others' ends."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])
