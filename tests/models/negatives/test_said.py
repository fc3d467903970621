"""Which attributes a corpus gives to which things."""

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.negatives.editor import Caption
from models.negatives.lexicon import Lexicon
from models.negatives.phrases import parse
from models.negatives.repeated import Repeated
from models.negatives.rules import RuleEditor
from models.negatives.said import Said
from models.scenes.corpus import generate
from models.scenes.grammar import HELD_BACK

LEXICON = Lexicon()
CORPUS = ("a red box and a blue cup", "two green boxes", "a small cup", "the cup is red")


@cache
def learnt() -> tuple[list[Caption], Lexicon, Said]:
    """A caption of each of some training scenes, and what all their captions teach."""
    scenes = list(generate("train", 100, 0, 16))
    texts = [text for scene in scenes for text in scene.captions]
    lexicon = Lexicon.learn(texts)
    return [Caption(scene.captions[0]) for scene in scenes], lexicon, Said.learn(texts, lexicon)


def new_pairs(before: str, after: str) -> frozenset[tuple[str, str]]:
    """What the edit says that nobody did."""
    return Said.learn(CORPUS, LEXICON).new_pairs(parse(before, LEXICON), parse(after, LEXICON))


def whole(before: str, after: str, lexicon: Lexicon) -> frozenset[tuple[str, str]]:
    """What the second text says and neither the first nor the corpus does, by all their phrases."""
    pairs = [Said.learn([text], lexicon).pairs for text in (before, after)]
    return pairs[1] - pairs[0] - Said.learn(CORPUS, LEXICON).pairs


def test_what_the_corpus_says_is_nothing_new() -> None:
    """Words before a noun count, articles and numbers do not, and a plural is its singular."""
    assert not new_pairs("a blue box", "a red box")
    assert not new_pairs("a blue cup", "three small cups")
    assert not new_pairs("a red box", "a green box")


def test_what_nobody_says_is_named() -> None:
    """A pair that the corpus lacks is told, in lower case."""
    assert {("blue", "box")} == new_pairs("a red box", "a Blue box")


def test_the_original_may_say_what_others_do_not() -> None:
    """A caption's own rare pair is not held against its edits."""
    assert not new_pairs("a pink box and a red cup", "a pink box and a blue cup")


SENTENCES = st.lists(
    st.sampled_from(["red", "blue", "box", "cups", "no", "the", "two", "left", "of", "small", "rides", ","]),
    max_size=10,
).map(" ".join)


@given(SENTENCES, SENTENCES)
def test_what_is_new_is_what_the_original_lacks(before: str, after: str) -> None:
    """Whatever two texts have in common: the pairs of the second without those of the first and of the corpus."""
    assert whole(before, after, Lexicon(learnt={"rides": "verb"})) == Said.learn(CORPUS, LEXICON).new_pairs(
        *(parse(text, Lexicon(learnt={"rides": "verb"})) for text in (before, after))
    )


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_what_is_new_in_edits_is_told_by_the_words_near_them(seed: int) -> None:
    """Over edits of many captions, of every kind, by one to four words: as if both texts were compared as a whole."""
    captions, lexicon, said = learnt()
    editor = Repeated(RuleEditor(lexicon), 0.5)

    found = editor.edit(captions, np.random.default_rng(seed))

    for caption, edit in zip(captions, found, strict=True):
        if edit is not None:
            new = whole(caption.text, edit.text, lexicon) - said.pairs
            assert new == said.new_pairs(parse(caption.text, lexicon), parse(edit.text, lexicon))


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_no_edit_makes_a_combination_that_training_never_shows(seed: int) -> None:
    """With what training scenes say, rules never make a held-back combination; without it they do."""
    captions, lexicon, said = learnt()

    found = RuleEditor(lexicon, ("swap", "attribute"), said=said).edit(captions, np.random.default_rng(seed))

    for edit in found:
        if edit is not None:
            pairs = {(word, head) for word, head in _pairs_of(edit.text, lexicon)}
            assert not pairs & HELD_BACK


def test_plain_rules_make_such_combinations() -> None:
    """The filter has something to do: without it some swaps make held-back combinations."""
    captions, lexicon, _ = learnt()

    found = RuleEditor(lexicon, ("swap",)).edit(captions, np.random.default_rng(0))

    assert any(_pairs_of(edit.text, lexicon) & HELD_BACK for edit in found if edit is not None)


def test_the_version_follows_the_pairs() -> None:
    """Edits that were stored by other pairs are not used."""
    some, more = Said.learn(CORPUS[:1], LEXICON), Said.learn(CORPUS, LEXICON)

    versions = {RuleEditor(LEXICON, said=said).version for said in (None, some, more)}

    assert len(versions) == 3


def _pairs_of(text: str, lexicon: Lexicon) -> set[tuple[str, str]]:
    parsed = parse(text, lexicon)
    return {(parsed.lower[place], parsed.lower[phrase.head]) for phrase in parsed.phrases for place in phrase.modifiers}
