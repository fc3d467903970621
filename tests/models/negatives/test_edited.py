"""Labels of edited captions."""

from hypothesis import given
from hypothesis import strategies as st

from models.negatives.edited import Edited, Replacement, aligned, replaced, unedited
from models.negatives.words import split_words

WORDS = st.lists(st.sampled_from(["red", "dog", "a", "an", "on", "man's", "T-shirt", "blue", "box"]), max_size=9)


def wrong(edit: Edited) -> dict[str, str | None]:
    """Wrong words and what should be there."""
    return {
        word.text: should for word, bad, should in zip(edit.words, edit.wrong, edit.should_be, strict=True) if bad
    }  # fmt: skip


def test_nothing_is_wrong_with_an_unedited_text() -> None:
    """An unedited text has a label for each word, none of them wrong."""
    edit = unedited("A dog, running.")

    assert ("none", 3, {}) == (edit.kind, len(edit.wrong), wrong(edit))


def test_a_replacement_is_labelled_where_it_stands() -> None:
    """Only replaced words are wrong, each knows what belongs there, and other words and signs are as they were."""
    edit = replaced("Two dogs, on a bed", [Replacement(3, 4, "the"), Replacement(1, 2, "cats")], "mlm")

    assert "Two cats, on the bed" == edit.text
    assert {"cats": "dogs", "the": "a"} == wrong(edit)


def test_articles_follow_and_are_not_wrong() -> None:
    """ "a" and "an" agree with the new word, keep their capital, and give nothing away as labels."""
    edit = replaced(
        "A dog on an orange hat and an hour", [Replacement(1, 2, "elephant"), Replacement(4, 5, "red")], "mlm"
    )

    assert "An elephant on a red hat and an hour" == edit.text
    assert {"elephant": "dog", "red": "orange"} == wrong(edit)


def test_a_capital_stays_at_the_start() -> None:
    """A word in place of a capitalised one is capitalised."""
    assert "Cats run" == replaced("Dogs run", [Replacement(0, 1, "cats")], "mlm").text


def test_several_words_for_one_have_no_correction() -> None:
    """Where the number of words changes, the new ones are wrong and none has a single word that belongs there."""
    edit = replaced("a dog behind a tree", [Replacement(2, 3, "in front of")], "relation")

    assert {"in": None, "front": None, "of": None} == wrong(edit)
    assert {"behind": None} == wrong(replaced("a dog in front of it", [Replacement(2, 5, "behind")], "relation"))


def test_alignment_finds_the_changed_words() -> None:
    """Aligning two texts labels changes of any length; words that match by case or article alone are right."""
    assert {"blue": "red"} == wrong(aligned("A red box", "a blue box", "mlm"))
    assert {"behind": None} == wrong(aligned("a dog in front of a house", "a dog behind a house", "x"))
    assert {"apple": "cup"} == wrong(aligned("a cup on it", "an apple on it", "x"))
    assert {"blue": "red", "red": "blue"} == wrong(aligned("a red box, a blue cup", "a blue box, a red cup", "swap"))
    assert {} == wrong(aligned("a small red box", "a red box", "x"))


def test_a_noun_that_follows_its_count_is_right() -> None:
    """Of "two circles" for "one circle" the count is wrong and the noun is grammar; without another count it is the error."""
    assert {"two": "one"} == wrong(aligned("one large circle", "two large circles", "count"))
    assert {"three": "a"} == wrong(aligned("a box and a dog", "three boxes and a dog", "count"))
    assert {"1": "2", "cats": "dogs"} == wrong(aligned("2 dogs", "1 cats", "several"))
    assert {"dogs": "dog"} == wrong(aligned("the dog runs", "the dogs runs", "x"))
    assert {"blue": "red", "dogs": "dog"} == wrong(aligned("the red dog", "the blue dogs", "x"))
    assert {"two": "one", "cats": "cat"} == wrong(aligned("one dog, the cat", "two dogs, the cats", "several"))


def test_a_count_is_labelled_as_when_it_was_put_in() -> None:
    """The labels of a count with its noun are those of the replacements that made it."""
    text = "exactly one red box and a dog"
    made = replaced(text, [Replacement(1, 2, "two"), Replacement(3, 4, "boxes", follows=True)], "count")

    assert made == aligned(text, made.text, "count")


def test_a_moved_word_is_wrong_where_it_does_not_match() -> None:
    """Of two words that changed places side by side one still matches."""
    assert 1 == sum(aligned("dog cat", "cat dog", "swap").wrong)


@given(WORDS, WORDS)
def test_right_words_are_a_common_subsequence(before: list[str], after: list[str]) -> None:
    """The words that are not wrong stand in the original, in the same order; corrections are the original's words."""
    edit = aligned(" ".join(before), " ".join(after), "x")

    rest = iter("a" if word.lower() == "an" else word.lower() for word in before)
    kept = [word.text.lower() for word, bad in zip(edit.words, edit.wrong, strict=True) if not bad]
    assert all(("a" if word == "an" else word) in rest for word in kept)
    assert {should for should in edit.should_be if should} <= {word.lower() for word in before}
    assert len(edit.words) == len(edit.wrong) == len(edit.should_be)


@given(WORDS)
def test_a_text_matches_itself(words: list[str]) -> None:
    """Aligned with itself, nothing is wrong."""
    assert not any(aligned(" ".join(words), " ".join(words).upper(), "x").wrong)


@given(st.lists(st.sampled_from(["red", "dog", "on", "box"]), min_size=1, max_size=8), st.data())
def test_replacing_and_aligning_agree(words: list[str], data: st.DataObject) -> None:
    """One word replaced by one that the text lacks is found by alignment with the same labels."""
    text = " ".join(words)
    place = data.draw(st.integers(0, len(words) - 1))

    made = replaced(text, [Replacement(place, place + 1, "zebra")], "mlm")

    assert made == aligned(text, made.text, "mlm")
    assert split_words(made.text) == made.words
