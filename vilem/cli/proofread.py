"""`vilem proofread`: a text beside pictures, word by word."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of

if TYPE_CHECKING:
    from rich.text import Text

    from models.proof import Proof


def proofread(
    text: Annotated[str, typer.Argument(help="A sentence.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures to read it beside.")],
    bundle: Annotated[str, typer.Option(help="Bundle with a proofreader: a folder, or a name.")] = "scenes-s",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a picture, for programs.")] = False,
    home: Home = None,
) -> None:
    """Check a sentence against pictures: which words each contradicts, and what they should have been.

    \b
    Examples:
      vilem proofread "a red circle left of a blue star" scene.png
      vilem proofread "two dogs on a beach" *.jpg --bundle photos-b --json
    """
    import numpy as np
    from rich.console import Console

    from models.bundle import Bundle, find_bundle
    from models.proofreader import Proofreader

    if not text.strip():
        raise typer.BadParameter("the text is empty: give a sentence")
    opened = Bundle.open(find_bundle(bundle, home_of(home)))
    proofreader = Proofreader.open(opened)
    # one by one: what is not a picture is named before anything is computed
    pixels = np.stack([opened.prepare(_read(path)) for path in images])
    proofs = proofreader.check(text, proofreader.encode_images(pixels))
    for path, proof in zip(images, proofs, strict=True):
        if as_json:
            typer.echo(json.dumps({"image": str(path), **asdict(proof)}, ensure_ascii=False))
        else:
            Console(soft_wrap=True).print(_verdict(path, proof), marked(proof), sep="\n  ")


def marked(proof: "Proof") -> "Text":
    """The text of a proof: contradicted words as ✗word→correction, in red; supported ones in green."""
    from rich.text import Text

    line, at = Text(), 0
    for word in proof.words:
        line.append(proof.text[at : word.start])
        if word.support is None:
            line.append(word.text, style="dim")
        elif word.contradicted:
            line.append(f"✗{word.text}" + "".join(f"→{other}" for other, _ in word.corrections[:1]), style="bold red")
        else:
            line.append(word.text, style="green")
        at = word.end
    return line.append(proof.text[at:])


def _verdict(path: Path, proof: "Proof") -> "Text":
    from rich.text import Text

    wrong = sum(word.contradicted for word in proof.words)
    return Text(f"{path}: {wrong} of {len(proof.words)} words contradicted, score {proof.score:.2f}")


def _read(path: Path) -> bytes:
    from models.errors import ImageUnreadable

    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageUnreadable(f"{path} cannot be read: {error.strerror}") from error
