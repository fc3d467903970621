"""Options that would be ignored are refused: whoever gives one believes that it does something."""

from collections.abc import Mapping

import typer


def refuse(given: Mapping[str, object], needs: str) -> None:
    """Refuse the options that were given.

    Args:
        given: each option's value by its name; None, False or nothing in it where it was left out.
        needs: what they would need, or what they do not go with; the end of a sentence.

    Raises:
        typer.BadParameter: one was given; the message names all that were.
    """
    # 0 is a value that somebody gave
    names = [name for name, value in given.items() if value is not None and value is not False and value != []]
    if names:
        raise typer.BadParameter(f"{', '.join(names)} would do nothing: {needs}")
