"""How texts become words, of stored texts and of queries alike."""

import unicodedata
from dataclasses import dataclass
from typing import Any, Literal, get_args

import lance

Language = Literal[
    "Arabic", "Danish", "Dutch", "English", "Finnish", "French", "German", "Greek", "Hungarian", "Italian", "Norwegian",
    "Portuguese", "Romanian", "Russian", "Spanish", "Swedish", "Tamil", "Turkish",
]  # fmt: skip
LANGUAGES: tuple[Language, ...] = get_args(Language)

# A query's time grows with its words: 10 took 0.1 s and 100 took 0.5 s among a million captions, on two busy cores. The
# longest captions that people write have about 50.
MAX_WORDS = 64
# no more than this of a text is looked at to find that many
_MAX_CHARACTERS = 4_096


@dataclass(frozen=True)
class TextAnalysis:
    """How a column's texts are cut into words.

    ICU finds the words of every script, Chinese, Japanese and Thai among them, which are written without spaces. Case and
    accents make no difference. Stop words stay: BM25 gives them next to no weight, and a query of nothing else still
    finds what holds them.

    Attributes:
        language: whose endings are taken off ("circles" finds "circle"); None takes none off, for mixed languages.
    """

    language: Language | None = "English"

    def parameters(self) -> dict[str, Any]:
        """As Lance's index and tokenizer take them."""
        return {
            "base_tokenizer": "icu",
            "language": self.language or "English",
            "stem": self.language is not None,
            "remove_stop_words": False,
            "lower_case": True,
            "ascii_folding": True,
        }

    def words(self, text: str) -> list[str]:
        """The words of a text, as they are compared."""
        return [token.text for token in lance.tokenize(text, **self.parameters())]


def query_of(text: str) -> str:
    """What of a query is searched for: its first `MAX_WORDS` words as they stand; empty when it has none.

    The text is data: no character of it means anything to the search but as a part of words. Composed and decomposed
    accents are one; what is no Unicode is left out.
    """
    text = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())[:_MAX_CHARACTERS]
    end = 0
    for token in _as_written(text)[:MAX_WORDS]:
        end = text.index(token, end) + len(token)
    return text[:end]


def _as_written(text: str) -> list[str]:
    tokens = lance.tokenize(
        text,
        base_tokenizer="icu",
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        max_token_length=None,
    )
    return [token.text for token in tokens]
