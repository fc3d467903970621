"""Reading scene captions back into statements: whether an edited caption is false of its scene."""

import re
from dataclasses import replace

from models.scenes.captions import NUMBERS, PLACES, SIDES, Caption
from models.scenes.grammar import BACKGROUNDS, COLOURS, PATTERNS, SHAPES, SIZES, Scene
from models.scenes.statements import Counted, Description, Has, On, Related, Statement, true_of

_OPENINGS = (
    r"^(?P<rest>.+) on an? (?P<ground>\w+) background$",
    r"^an? (?P<ground>\w+) picture that shows (?P<rest>.+)$",
    r"^(?P<rest>.+); the background is (?P<ground>\w+)$",
    r"^on (?P<ground>\w+): (?P<rest>.+)$",
    r"^(?P<rest>.+), nothing else, on (?P<ground>\w+)$",
    r"^an? (?P<ground>\w+) scene with exactly (?P<rest>.+)$",
    r"^(?P<rest>.+), (?P<ground>\w+) background$",
    r"^an? (?P<ground>\w+) background with (?P<rest>.+)$",
    r"^(?P<rest>.+) on (?P<ground>\w+)$",
)
_SIDE = {said: side for side, ways in SIDES.items() for said in ways}


def false_of(text: str, caption: Caption, scene: Scene) -> bool | None:
    """Whether an edit of a caption is false of the scene; None where the grammar cannot read it."""
    found = next((match for opening in _OPENINGS if (match := re.match(opening, text))), None)
    if found is None or found["ground"] not in BACKGROUNDS:
        return None
    parts = re.split(r"; " if caption.kind == "relations" and ";" in caption.text else r", | and ", found["rest"])
    statements: list[Statement | None] = [_statement(part) for part in parts]
    said = [each for each in statements if each is not None]
    if len(said) < len(parts):
        return None
    return not true_of((*said, On(found["ground"])), scene)


def _statement(phrase: str) -> Statement | None:
    for said, side in sorted(_SIDE.items(), key=lambda each: -len(each[0])):
        first, found, second = phrase.partition(f" {said} ")
        if found:
            one, other = _description(first), _description(second)
            return None if one is None or other is None else Related(one[1], side, other[1])
    read = _description(phrase)
    if read is None:
        return None
    count, what = read
    return Has(what) if count is None else Counted(count, what)


def _description(phrase: str) -> tuple[int | None, Description] | None:
    what = Description()
    for cell, place in sorted(enumerate(PLACES), key=lambda each: -len(each[1])):
        if phrase.endswith(f" {place}"):
            phrase, what = phrase.removesuffix(f" {place}"), replace(what, cell=cell)
            break
    article, *words = phrase.split()
    for word in words:
        singular = next((shape for shape in SHAPES if word in (shape, shape + "s", shape + "es")), None)
        if singular:
            what = replace(what, shape=singular)
        elif word in COLOURS:
            what = replace(what, colour=word)
        elif word in SIZES:
            what = replace(what, size=word)
        elif word in PATTERNS:
            what = replace(what, pattern=word)
        elif word not in ("object", "objects"):
            return None
    if article in ("a", "an"):
        return None, what
    return (NUMBERS.index(article), what) if article in NUMBERS else None
