"""The closed lists agree with each other."""

from models.negatives.english import ATTRIBUTES, FLIPS, NUMBERS, PLACE_WORDS, STOP_WORDS
from models.scenes.captions import NUMBERS as SCENE_NUMBERS
from models.scenes.captions import PLACES, SIDES
from models.scenes.grammar import BACKGROUNDS, COLOURS, PATTERNS, SIZES


def test_lists_do_not_overlap() -> None:
    """No word is of two classes of attributes, and no attribute, number or place is a stop-word."""
    attributes = [word for words in ATTRIBUTES.values() for word in words]

    assert len(attributes) == len(set(attributes))
    assert not STOP_WORDS & {*attributes, *NUMBERS, *PLACE_WORDS}


def test_the_language_of_scenes_is_known() -> None:
    """Every attribute, number and direction of scene captions is in the lists."""
    assert set(COLOURS) | set(BACKGROUNDS) <= ATTRIBUTES["colour"]
    assert set(SIZES) <= ATTRIBUTES["size"]
    assert set(PATTERNS) <= ATTRIBUTES["pattern"]
    assert set(SCENE_NUMBERS[1:]) <= set(NUMBERS)
    said = " ".join([*PLACES, *(way for ways in SIDES.values() for way in ways)])
    assert {"left", "right", "top", "bottom", "above", "below", "higher", "lower"} <= PLACE_WORDS & set(said.split())


def test_a_flip_says_something_else() -> None:
    """No relation is flipped to itself, and longer ones come before the ones they begin with."""
    assert [] == [said for said, flipped in FLIPS if said == flipped]
    firsts = [said for said, _ in FLIPS]
    assert all(
        not later.startswith(f"{earlier} ") for place, earlier in enumerate(firsts) for later in firsts[place:]
    )  # fmt: skip
