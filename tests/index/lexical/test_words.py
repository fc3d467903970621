"""Laws of how texts become words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.lexical.words import LANGUAGES, MAX_WORDS, TextAnalysis, query_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two RED circles", ["two", "red", "circl"]),
        ("café Straße naïve", ["cafe", "strasse", "naiv"]),
        ("日本語の文章", ["日本語", "の", "文章"]),
        ("ภาษาไทยง่าย", ["ภาษา", "ไทย", "ง่าย"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("the of a", ["the", "of", "a"]),
        ("🎉 !? —", []),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    """Case, accents and English endings make no difference; scripts without spaces have words; stop words stay."""
    assert words == TextAnalysis().words(text)


def test_endings_are_a_languages() -> None:
    """German endings are taken off German words; without a language none are."""
    assert ["haus", "lauf"] == TextAnalysis("German").words("Häuser laufen")
    assert ["hauser", "circles"] == TextAnalysis(None).words("Häuser circles")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_known(language: str) -> None:
    """Lance takes each language that we offer."""
    assert TextAnalysis(language).words("one")  # pyright: ignore[reportArgumentType]


@given(st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_a_short_query_loses_none_of_its_words(text: str) -> None:
    """What is searched for has the words that the text has, whatever its characters."""
    analysis = TextAnalysis()

    assert analysis.words(text.encode("utf-8", "ignore").decode())[:MAX_WORDS] == analysis.words(query_of(text))


@pytest.mark.parametrize("word", ["word ", "日本語の", "don't stop ", '"(a:b)" '])
def test_a_long_query_is_cut_between_words(word: str) -> None:
    """Of ten thousand words the first 64 are searched for, whole."""
    analysis = TextAnalysis()

    cut = query_of(word * 10_000)

    assert (word * 10_000).startswith(cut)
    assert analysis.words(word * 10_000)[:MAX_WORDS] == analysis.words(cut)


def test_one_endless_word_is_a_word() -> None:
    """A megabyte without a space ends; composed and decomposed accents are one; halves of characters are nothing."""
    assert len(query_of("a" * 1_000_000)) <= 4_096
    assert "caf\u00e9" == query_of("cafe\u0301")
    assert "xy" == query_of("x\ud800y")
    assert ["", "", ""] == [query_of(text) for text in ("", " \n\t", "!!! 🎉 \u200b")]
