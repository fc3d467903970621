"""Captions taken apart."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from models.negatives.lexicon import Lexicon
from models.negatives.phrases import NounPhrase, Parsed, parse, parsed_once
from models.negatives.words import split_words

# words that begin and end phrases, deny, and change what stands beside them
WORDS = ("red", "dog", "cat", "no", "the", "two", "left", "of", "rides", "big", ",", "without", "top")
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=12)
LEXICON = Lexicon(learnt={"rides": "verb", "dog": "noun", "cat": "noun"})


def phrases(text: str) -> list[str]:
    """The noun phrases as written."""
    parsed = parse(text, Lexicon())
    return [parsed.written(each.start, each.head + 1) for each in parsed.phrases]


def test_noun_phrases_end_at_their_noun() -> None:
    """Articles and numbers stand before a phrase; modifiers and compound nouns are in it; punctuation ends it."""
    assert ["small red dog", "dog house"] == phrases("two small red dog on the dog house")
    assert ["red dog", "cat"] == phrases("a red dog, cat")


def test_what_is_denied_is_left_out() -> None:
    """What a caption says is not there is no phrase to edit; the denial ends at the next comma."""
    assert ["box"] == phrases("a box and no red dog")
    assert ["man", "house"] == phrases("man without hat, house")


def test_words_know_their_phrase() -> None:
    """Each word of a phrase knows it, others have none; its noun is its head."""
    parsed = parse("two small red dogs on a house", Lexicon())

    assert [None, (1, 3), (1, 3), (1, 3), None, None, (6, 6)] == [parsed.phrase_of(place) for place in range(7)]
    assert {3: (1, 3), 6: (6, 6)} == {place: phrase for place in range(7) if (phrase := parsed.phrase_about(place))}
    assert parsed.phrase_of(7) is None


def test_a_phrase_says_its_modifiers() -> None:
    """What a caption says of its things, and nothing of what is denied."""
    parsed = parse("a small red Dog and no blue cat", Lexicon())

    said = [(word, noun) for word in parsed.lower for noun in parsed.lower if parsed.says(word, noun)]

    assert [("small", "dog"), ("red", "dog")] == said


def test_words_are_split_words() -> None:
    """The words keep how they are written and where they stand."""
    assert split_words("A red dog, no CAT.") == parse("A red dog, no CAT.", Lexicon()).words


@given(SENTENCES, st.data())
def test_phrases_that_no_other_word_is_near_are_as_before(words: list[str], data: st.DataObject) -> None:
    """With other words at some places every phrase is as it was, or among those near them; these are all phrases."""
    places = data.draw(st.lists(st.integers(0, max(0, len(words) - 1)), max_size=3, unique=True).map(sorted))
    others = [
        data.draw(st.sampled_from([each for each in WORDS if each != ","])) if place in places and word != "," else word
        for place, word in enumerate(words)
    ]
    before, after = parse(" ".join(words), LEXICON), parse(" ".join(others), LEXICON)
    changed = [place for place, (was, now) in enumerate(zip(before.lower, after.lower, strict=True)) if was != now]

    near = after.phrases_near(changed)

    assert {*near} <= {*after.phrases}
    assert len(near) == len({*near})
    assert {*_written(after, after.phrases)} - {*_written(before, before.phrases)} <= {*_written(after, near)}


@given(st.lists(SENTENCES.map(" ".join), max_size=6))
def test_what_is_kept_is_what_is_taken_apart_anew(texts: list[str]) -> None:
    """Whatever was asked for before, and with whichever lexicon, a kept caption equals a fresh one."""
    for lexicon in (LEXICON, Lexicon()):
        for text in texts * 2:
            kept, fresh = parsed_once(text, lexicon), parse(text, lexicon)
            assert fresh == kept
            assert (fresh.phrases, fresh.words) == (kept.phrases, kept.words)


def _written(parsed: Parsed, phrases: Sequence[NounPhrase]) -> list[tuple[NounPhrase, str]]:
    return [(each, parsed.written(each.start, each.head + 1)) for each in phrases]


@given(st.text(max_size=50))
def test_any_text_can_be_taken_apart(text: str) -> None:
    """Every word has a tag, and phrases lie inside the text, in order and apart."""
    parsed = parse(text, Lexicon())

    assert len(parsed.words) == len(parsed.tags) == len(parsed.broken) == len(parsed.lower)
    ends = [-1, *(each.head for each in parsed.phrases)]
    assert all(end < each.start <= each.head for end, each in zip(ends, parsed.phrases, strict=False))
    assert all("noun" == parsed.tags[each.head] for each in parsed.phrases)
