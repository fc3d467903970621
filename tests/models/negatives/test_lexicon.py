"""Parts of speech."""

import pytest

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
    assert {"man", "bike", "street", "store", "dog", "park", "horse"} <= set(lexicon.nouns_like("cat"))
    assert () == lexicon.nouns_like("cats")


def test_the_version_follows_what_was_learnt(lexicon: Lexicon) -> None:
    """The same corpus gives the same version, another one another."""
    assert lexicon.version == Lexicon.learn(CORPUS).version
    assert lexicon.version != Lexicon().version
    assert set(lexicon.learnt.values()) <= set(TAGS)
