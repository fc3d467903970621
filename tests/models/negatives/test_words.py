"""Words and the words of tokens, with tokenizers of four kinds."""

import itertools
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from models.negatives.words import Word, lower_words, split_pieces, split_words, token_words

CORPUS = ["a man's red t-shirt", "two dogs, running!", "a woman in blue", "élan vital 12 4,500"] * 3
TEXTS = st.text(st.sampled_from("abcdog'-’,. \n12é你好İß!e\u0301"), max_size=40)
KINDS = ["byte-level", "wordpiece", "unigram", "word-level", "characters"]


@cache
def tokenizer_of(kind: str) -> Tokenizer:
    """A tokenizer of that kind, learnt from a few captions, with markers at both ends."""
    if kind == "byte-level":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    elif kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token="?"))
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=["?"])
    elif kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=40, unk_token="?", special_tokens=["?"])
    elif kind == "word-level":
        made = Tokenizer(models.WordLevel({"?": 0, "a": 1}, unk_token="?"))
        made.pre_tokenizer, trainer = pre_tokenizers.Whitespace(), trainers.WordLevelTrainer(special_tokens=["?"])
    else:
        made = Tokenizer(models.BPE())
        trainer = trainers.BpeTrainer(vocab_size=30)
    made.train_from_iterator(CORPUS, trainer)
    made.add_special_tokens(["<start>", "<end>"])
    made.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>",
        special_tokens=[(each, made.token_to_id(each)) for each in ("<start>", "<end>")],
    )
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A man's t-shirt.", ["A", "man's", "t-shirt"]),
        ("rock ’n’ roll – 'quoted'", ["rock", "n", "roll", "quoted"]),
        ("1,000 or 2.5, then 3", ["1,000", "or", "2.5", "then", "3"]),
        ("你好 world", ["你", "好", "world"]),
        ("हिन्दी e\u0301te\u0301", ["हिन्दी", "e\u0301te\u0301"]),
        ("snake_case and/or", ["snake", "case", "and", "or"]),
        (" ,;! ", []),
        ("", []),
    ],
)
def test_words_are_what_a_reader_calls_words(text: str, expected: list[str]) -> None:
    """Apostrophes, hyphens and marks stay inside their word, digits keep their separators, ideographs stand alone."""
    assert expected == [word.text for word in split_words(text)]


@given(st.text(max_size=60))
def test_words_stand_in_their_text(text: str) -> None:
    """Any text: words are in order, do not overlap, and are what stands at their place; no letter is left out."""
    words = split_words(text)

    assert all(word.text == text[word.start : word.end] and word.text for word in words)
    assert all(first.end <= second.start for first, second in itertools.pairwise(words))
    covered = {place for word in words for place in range(word.start, word.end)}
    assert not [place for place, character in enumerate(text) if character.isalnum() and place not in covered]


@given(st.lists(TEXTS, max_size=8), st.integers(1, 6))
def test_words_are_the_same_whatever_is_kept(texts: list[str], kept: int) -> None:
    """Kept words are forgotten when there are too many of them, long ones are not kept, and nobody notices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.negatives.words._KEPT", kept)
        patch.setattr("models.negatives.words._LONGEST", kept)
        found = [split_words(text) for text in texts * 2]

    assert [split_words(text) for text in texts * 2] == found
    assert all(word.text == text[word.start : word.end] for text in texts for word in split_words(text))
    assert all(isinstance(word, Word) for words in found for word in words)


@given(st.text(max_size=60) | TEXTS)
def test_pieces_are_the_text(text: str) -> None:
    """What is between the words and the words, in turn, are the text; their lower case is that of the words."""
    pieces = split_pieces(text)

    assert text == "".join(pieces)
    assert [word.text for word in split_words(text)] == pieces[1::2]
    assert [word.text.lower() for word in split_words(text)] == lower_words(text)


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_tokens_find_their_words(kind: str, text: str) -> None:
    """Whatever the tokenizer, a token that holds letters of a word and of no other belongs to that word."""
    words, encoding = split_words(text), tokenizer_of(kind).encode(text)

    found = token_words(encoding.offsets, words)

    assert len(encoding.ids) == len(found)
    for (start, end), place in zip(encoding.offsets, found, strict=True):
        shared = {number for number, word in enumerate(words) if word.start < end and word.end > start}
        assert (place in shared) if shared and end > start else -1 == place


@pytest.mark.parametrize("kind", ["byte-level", "wordpiece", "unigram", "characters"])
def test_every_word_has_tokens(kind: str) -> None:
    """Tokenizers that cut one caption into different numbers of tokens all cover each of its words; markers are none."""
    words = split_words("a man's red t-shirt, two dogs")
    found = token_words(tokenizer_of(kind).encode("a man's red t-shirt, two dogs").offsets, words)

    assert set(range(6)) <= set(found)
    assert (-1, -1) == (found[0], found[-1])
    assert sorted(each for each in found if each >= 0) == [each for each in found if each >= 0]


@given(st.text(st.characters(max_codepoint=127), max_size=40) | st.text("ab1'-., ", max_size=20))
def test_plain_texts_are_split_by_the_same_rules(text: str) -> None:
    """The fast path of ASCII texts gives what the general rules give; a word of another script brings these in."""
    fast = split_words(text)
    general = split_words(f"{text} é")

    assert fast == general[:-1]


def test_the_tokenizers_do_differ() -> None:
    """The kinds above give different numbers of tokens, else the laws above say little."""
    assert 3 <= len({len(tokenizer_of(kind).encode("a woman's red dress, running").ids) for kind in KINDS})


@given(st.text("ab -", max_size=12), st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6))
def test_a_token_is_of_the_word_that_has_most_of_it(text: str, offsets: list[tuple[int, int]]) -> None:
    """Whatever spans there are, in any order, over any words: the first of those that share most characters."""
    words = split_words(text)

    for (start, end), found in zip(offsets, token_words(offsets, words), strict=True):
        shared = [min(end, word.end) - max(start, word.start) for word in words]
        most = max(shared, default=0)
        assert found == (shared.index(most) if most > 0 else -1)


def test_a_token_over_two_words_goes_to_the_larger_part() -> None:
    """A token that spans words belongs to the one it shares most with, the first of equals."""
    words = split_words("a dog on")

    assert [1, 1, 0, -1, -1] == token_words([(0, 5), (2, 8), (0, 1), (1, 2), (0, 0)], words)
