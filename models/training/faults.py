"""What is wrong with the fields of a file, for whoever wrote it: names that nothing has first, and what there is instead."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

# faults that are told; the rest is a count
_TOLD = 5
# names less alike than this are other words
_ALIKE = 0.7
# with it pydantic ends the place of a mapping's key that is none of those there are
_KEY = "[key]"


def faults(shape: type[BaseModel], error: ValidationError) -> list[str]:
    """What makes fields no *shape*, each fault with its place as the file names it: at most five, and how many more.

    A name that nothing has comes first: that another is missing often follows from it.
    """
    found = sorted(error.errors(), key=lambda each: not _is_unknown(each))
    told = [_told(shape, each) for each in found[:_TOLD]]
    return [*told, f"and {len(found) - _TOLD} more"] if len(found) > _TOLD else told


def _is_unknown(fault: ErrorDetails) -> bool:
    return fault["type"] == "extra_forbidden" or _KEY in fault["loc"]


def _told(shape: type[BaseModel], fault: ErrorDetails) -> str:
    place, around = _walk(shape, fault["loc"])
    # the rules that span fields name them themselves
    return ": ".join(filter(None, [".".join(place), _said(fault, place, around)]))


def _said(fault: ErrorDetails, place: Sequence[str], around: object) -> str:
    if fault["type"] == "missing":
        return "missing"
    if _KEY in fault["loc"]:
        there = re.findall("'([^']*)'", str(fault.get("ctx", {}).get("expected")))
        return f"unknown name{_instead(place[-1], there)}"
    if fault["type"] == "extra_forbidden":
        what, there = _siblings(around, of_part=isinstance(fault["input"], dict))
        return f"unknown {what}{_instead(place[-1], there)}"
    return fault["msg"].removeprefix("Value error, ")


def _instead(name: str, there: Sequence[str]) -> str:
    nearest = "".join(f", perhaps {each}" for each in get_close_matches(name, there, n=1, cutoff=_ALIKE))
    return f"{nearest}: there are {', '.join(there)}"


def _siblings(around: object, *, of_part: bool) -> tuple[str, list[str]]:
    """The names of the parts that *around* has, where a part was given and it has any; else those of its other fields."""
    fields = {name: field for each in _models(around) for name, field in each.model_fields.items()}
    parts = [name for name, field in fields.items() if _holds_parts(field.annotation)]
    if of_part and parts:
        return "part", parts
    return "field", [name for name in fields if name not in parts]


def _holds_parts(annotation: object) -> bool:
    return any(get_origin(each) is dict or list(_models(each)) for _, each in _alternatives(annotation))


def _walk(shape: object, steps: Sequence[str | int]) -> tuple[list[str], object]:
    """The names of a place without tags of alternatives, which stand in no file, and the type that has the last of them."""
    place, around, here = list[str](), shape, shape
    for step in steps:
        chosen = {tag: each for tag, each in _alternatives(here) if tag}.get(str(step))
        if chosen is not None:
            here = chosen
        elif step != _KEY:
            place.append(str(step))
            around, here = here, _inside(here, step)
    return place, around


def _inside(annotation: object, step: str | int) -> object:
    """The type of what *annotation* has under a name; None where nothing is known of it."""
    for _, each in _alternatives(annotation):
        if get_origin(each) is dict:
            return get_args(each)[1]
    found = [each.model_fields[step].annotation for each in _models(annotation) if step in each.model_fields]
    return found[0] if found else None


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    for _, each in _alternatives(annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each


def _alternatives(annotation: Any, tag: str = "") -> Iterator[tuple[str, object]]:  # noqa: ANN401 # any type there is
    """The types that a union is of, each with its tag, or "" where it has none."""
    if get_origin(annotation) is Annotated:
        own = [mark.tag for mark in annotation.__metadata__ if isinstance(mark, Tag)]
        yield from _alternatives(annotation.__origin__, own[0] if own else tag)
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _alternatives(each, tag)
    else:
        yield tag, annotation
