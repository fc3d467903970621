"""Options that would be ignored."""

import pytest
import typer

from vilem.cli.refuse import refuse


def test_what_was_left_out_is_not_refused() -> None:
    """None, a flag that is off, and an empty list: nobody gave them."""
    refuse({"--a": None, "--b": False, "--c": []}, "nothing")


@pytest.mark.parametrize("value", [0, 0.0, "", True, ["x"], 3])
def test_what_was_given_is_refused_by_name(value: object) -> None:
    """Zero and an empty word are values; what else was given is named, what was not is not."""
    with pytest.raises(typer.BadParameter, match=r"^--a, --d would do nothing: it needs --e$"):
        refuse({"--a": value, "--b": None, "--c": False, "--d": 1}, "it needs --e")
