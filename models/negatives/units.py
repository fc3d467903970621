"""What the small language model reads: words and punctuation signs, in lower case, each of them one token."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, models

from models.negatives.errors import CorpusTooSmall
from models.negatives.words import Word, split_words

PAD, UNKNOWN, MASK = "<pad>", "<unknown>", "<mask>"
PAD_ID, UNKNOWN_ID, MASK_ID = range(3)
SPECIAL = (PAD, UNKNOWN, MASK)
# a word seen less often has no neighbours to learn from
LEAST = 2


def units(text: str) -> tuple[Word, ...]:
    """The words of a text and the signs between them, in order, as they are written."""
    found: list[Word] = []
    end = 0
    for word in split_words(text):
        found += _signs(text, end, word.start)
        found.append(word)
        end = word.end
    return (*found, *_signs(text, end, len(text)))


def learn_units(captions: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of the most frequent words and signs, ties in order of the alphabet.

    It takes a text that was already split: `encode([unit.text.lower() for unit in units(text)], is_pretokenized=True)`.

    Args:
        captions: the corpus.
        vocabulary: at most so many entries, the three special ones included.

    Raises:
        CorpusTooSmall: no word occurs twice.
    """
    counts = Counter(unit.text.lower() for caption in captions for unit in units(caption))
    frequent = sorted((word for word in counts if counts[word] >= LEAST), key=lambda word: (-counts[word], word))
    if not frequent:
        raise CorpusTooSmall("no word of the captions occurs twice: give more captions, one on each line")
    entries = [*SPECIAL, *[word for word in frequent if word not in SPECIAL][: vocabulary - len(SPECIAL)]]
    return Tokenizer(models.WordLevel({word: number for number, word in enumerate(entries)}, unk_token=UNKNOWN))


def _signs(text: str, start: int, end: int) -> list[Word]:
    return [Word(text[place], place, place + 1) for place in range(start, end) if not text[place].isspace()]
