"""Parts of speech."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.negatives.lexicon import TAGS, Lexicon
from models.negatives.phrases import parse
from models.scenes.corpus import example

CORPUS = [
    "A man rides a bike on the street.", "The man walks to a store", "a dog runs in a park", "the bike is in a store",
    "A woman rides a horse in the park.", "a rusty bike", "the rusty store", "a rusty old horse", "A dog walks in the street",
    "a fluffy dog", "the fluffy horse is here", "a fluffy cat", "a man in the park", "the man on a horse", "A boy runs to the dog", "a cat runs on a street",
] * 2  # fmt: skip


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    """Learnt from plain captions."""
    return Lexicon.learn(CORPUS)


def tags(text: str, lexicon: Lexicon) -> str:
    """The first letters of the tags."""
    return "".join(tag[0] for tag in parse(text, lexicon).tags)


def test_a_corpus_teaches_parts_of_speech(lexicon: Lexicon) -> None:
    """What stands after articles is a noun, before nouns an adjective, between nouns and articles a verb."""
    assert "oanvonpon" == tags("a fluffy dog rides the bike on a street", lexicon)
    assert "oan" == tags("the rusty horse", lexicon)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two small red dogs", "naan"),
        ("quickly jumping above three beautiful zebras", "ovpnan"),
        ("on the left of a gray top", "popooan"),
        ("a dog at the top left", "onoopp"),
        ("what is this", "ooo"),
    ],
)
def test_closed_lists_and_endings_need_no_corpus(text: str, expected: str) -> None:
    """Numbers, attributes, places and stop-words are known, endings tell verbs and adverbs, the rest are nouns."""
    assert expected == tags(text, Lexicon())


def test_scene_captions_are_tagged_right() -> None:
    """In the captions of scenes shapes are nouns, their colours, sizes and patterns adjectives, sides places."""
    texts = [text for number in range(60) for text in example("train", number, 0, 32).captions]
    lexicon = Lexicon.learn(texts)

    shown = parse("a small striped red circle at the top left, two hearts left of a cross", lexicon)

    assert "oaaanoopp" + "nn" + "po" + "on" == "".join(tag[0] for tag in shown.tags)


def test_nouns_are_offered_by_number(lexicon: Lexicon) -> None:
    """Nouns like a noun are the corpus's of the same number; closed lists are none of them."""
    assert {"man", "bike", "street", "store", "dog", "park", "horse"} <= set(lexicon.nouns_like("cat").words)
    assert () == lexicon.nouns_like("cats").words


def test_attributes_are_offered_by_class() -> None:
    """Attributes like one are the others of its class that the corpus has, all others where it has none."""
    lexicon = Lexicon(attributes={"red": 2, "blue": 1, "small": 4})

    assert {"red", "blue"} == set(lexicon.attributes_like("green").words)
    assert {"blue"} == set(lexicon.attributes_like("red").words)
    assert {"metal", "glass"} <= set(lexicon.attributes_like("wooden").words)


@given(
    st.lists(st.sampled_from(["a", "dog", "rides", "left", "top", "the", "fluffy", "of", "zebra"]), max_size=8),
    st.data(),
)
def test_tags_are_decided_by_a_word_and_its_neighbours(words: list[str], data: st.DataObject) -> None:
    """Another word changes no tag but its own and those beside it; behind punctuation not even these."""
    if not words:
        return
    place = data.draw(st.integers(0, len(words) - 1))
    others = [*words[:place], "on", *words[place + 1 :]]
    broken = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    broken[0] = True

    was, now = (Lexicon.learn(CORPUS).tag(each, broken) for each in (words, others))

    near = {place} | ({place - 1} if not broken[place] else set())
    if place + 1 < len(words) and not broken[place + 1]:
        near.add(place + 1)
    assert {number for number in range(len(words)) if was[number] != now[number]} <= near


def test_the_version_follows_what_was_learnt(lexicon: Lexicon) -> None:
    """The same corpus gives the same version, another one another."""
    assert lexicon.version == Lexicon.learn(CORPUS).version
    assert lexicon.version != Lexicon().version
    assert set(lexicon.learnt.values()) <= set(TAGS)
