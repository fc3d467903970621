"""`vilem search`: one query against a published collection, as a table."""

import json
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vilem.cli.home import Home, home_of
from vilem.cli.index_videos import clock
from vilem.cli.proofread import marked
from vilem.cli.refuse import refuse
from vilem.cli.search_parts import Embedded, Parts, embed_text, find, matching_of, put_together
from vilem.cli.search_sought import Hybrid, Sought, Where, WordsIn, expect_words, read_filter, words_of
from vilem.cli.searcher import searcher_of

if TYPE_CHECKING:
    import numpy as np

    from index.rerank import Reread
    from index.searcher import Hit, Searcher
    from models.bundle import Bundle
    from models.matching import Matching

# the HTTP API's
_CANDIDATES = 20


class Rerank(StrEnum):
    """Ways to order hits anew."""

    proofread = "proofread"


def search(
    collection: Annotated[str, typer.Argument(help="Name of a collection.")],
    query: Annotated[str, typer.Argument(help="A sentence; with --image the path of a picture.")],
    image: Annotated[bool, typer.Option("--image", help="The query is a picture's path.")] = False,
    texts: Annotated[bool, typer.Option("--texts", help="Find captions instead of pictures.")] = False,
    moments: Annotated[bool, typer.Option("--moments", help="Find moments of videos.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Hits to show.")] = 10,
    where: Where = None,
    hybrid: Hybrid = False,
    words_in: WordsIn = None,
    rerank: Annotated[
        Rerank | None,
        typer.Option(help="Order the best anew by what pictures say of words; for captions --image --texts."),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=1, max=100, help="--rerank: how many of the best to order anew [20].")
    ] = None,
    plus: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="And that; may be repeated.")] = None,
    minus: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="But not that; may be repeated.")] = None,
    change: Annotated[
        tuple[str, str] | None, typer.Option(metavar="FROM TO", help="The same, with that in the place of this.")
    ] = None,
    like: Annotated[list[str] | None, typer.Option(metavar="ID", help="More like this item; may be repeated.")] = None,
    unlike: Annotated[list[str] | None, typer.Option(metavar="ID", help="Less like this item.")] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out hits that are right with a lower probability.")
    ] = None,
    diversify: Annotated[
        float | None,
        typer.Option(metavar="LAMBDA", min=0, max=1, help="No two alike: 1 is the plain order, 0 differences alone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a hit, for programs.")] = False,
    home: Home = None,
) -> None:
    """Search a collection and print the hits.

    \b
    Examples:
      vilem search photos "two dogs on a beach"
      vilem search photos holiday.jpg --image --limit 5
      vilem search films "two dogs on a beach" --moments
      vilem search shop "a red shoe" --hybrid --filter '{"price": {"lt": 20}}'
      vilem search photos "two dogs on a beach" --rerank proofread
      vilem search photos holiday.jpg --image --texts --rerank proofread
      vilem search photos "a beach" --plus "at night" --minus people --like beach-7.jpg
      vilem search photos holiday.jpg --image --change day night --diversify 0.5
    """
    from index.rerank import Reread

    parts = Parts(plus or [], minus or [], change, like or [], unlike or [])
    if rerank is None:
        refuse({"--candidates": candidates}, "only --rerank orders candidates anew; add it, or leave this out")
    _expect_sense(query, parts, image=image, texts=texts, moments=moments, rerank=rerank, diversify=diversify)
    target = "moments" if moments else "texts" if texts else "images"
    needed = min_score is not None
    expect_words(words_in or [], target, hybrid=hybrid, image=image, reranks=bool(rerank), bounded=needed)
    conditions = None if where is None else read_filter(where)
    searcher, bundle = _opened(home_of(home), collection)
    among = None if where is None else searcher.filtered.rows(conditions, target)
    words = words_of(searcher, query, words_in or []) if hybrid else None
    pixels = _pixels(bundle, query) if image else None
    asked = embed_text(bundle, query) if pixels is None else Embedded(bundle.embed_images(pixels[None])[0])
    known = not parts.are_given and asked.sentences is None and image == texts and not hybrid
    matching = _matching(searcher, bundle, known=known, needed=needed)
    least = -inf if min_score is None or matching is None else matching.cosine(min_score)
    vector = put_together(bundle, searcher, asked.vector, parts) if parts.are_given else asked.vector
    sought = Sought(target, limit, diversify, least, among, words)
    if rerank is None:
        found = [Reread(hit) for hit in find(searcher, vector, sought, without=parts.judged)]
    else:
        found = _proofread(searcher, bundle, query if pixels is None else pixels, vector, sought, candidates)
    _show(found, f"{collection} version {searcher.version}", asked, matching, as_json=as_json)


def _opened(home: Path, collection: str) -> "tuple[Searcher, Bundle]":
    """The collection, and what embeds its queries."""
    from models.bundle import Bundle, bundle_of

    searcher = searcher_of(home, collection)
    model = searcher.text_model
    return searcher, Bundle.open(bundle_of(model.bundle_digest, model.bundle_name, home))


def _expect_sense(
    query: str, parts: Parts, *, image: bool, texts: bool, moments: bool, rerank: Rerank | None, diversify: float | None
) -> None:
    """Refuse what does not go together."""
    if not query.strip():
        raise typer.BadParameter("the query is empty: give a sentence, or a picture's path with --image")
    if moments and (texts or rerank):
        raise typer.BadParameter("moments are neither captions nor re-ranked: leave --texts and --rerank out")
    if rerank and image != texts:
        raise typer.BadParameter(
            "only pictures found by a sentence, and captions found by a picture, can be re-ranked: give both of --image and "
            "--texts, or neither"
        )
    if rerank and (parts.are_given or diversify is not None):
        raise typer.BadParameter(
            "--rerank reads the words of one sentence beside pictures: leave --plus, --minus, --change, --like, --unlike and "
            "--diversify out"
        )
    if moments and (diversify is not None or parts.liked or parts.disliked):
        raise typer.BadParameter("--diversify, --like and --unlike are for items: leave --moments out, or them")


def _matching(searcher: "Searcher", bundle: "Bundle", *, known: bool, needed: bool) -> "Matching | None":
    """What the hits' scores mean, if that is known, as it is of one sentence among pictures and one picture among captions.

    Raises:
        BadParameter: it is not, and is needed.
    """
    from models.errors import MatchingInvalid

    if not known:
        if needed:
            raise typer.BadParameter(
                "--min-score needs one sentence that is read at once, and pictures, or one picture and --texts: of anything "
                "else no probability is known; leave it out"
            )
        return None
    try:
        found = matching_of(searcher, bundle)
    except MatchingInvalid:
        # hits are found all the same
        if needed:
            raise
        return None
    if found is None and needed:
        raise typer.BadParameter(
            f"nothing says how sure {bundle.manifest.name} is: run `vilem model calibrate --collection {searcher.name}` first"
        )
    return found


def _proofread(
    searcher: "Searcher",
    bundle: "Bundle",
    query: "str | np.ndarray",
    vector: "np.ndarray",
    sought: Sought,
    candidates: int | None,
) -> "list[Reread]":
    """The hits that are sought: the candidates in their new order, behind them the others by vector.

    Pictures by a text, captions by the pixels of a picture.
    """
    from index.rerank import Reread, rerank, rerank_captions
    from models.proofreader import Proofreader

    if isinstance(query, str):
        _expect_patches_of(searcher, bundle)
    elif not searcher.caption_count:
        raise typer.BadParameter(f"collection {searcher.name} has no captions: index a source that has them")
    proofreader = Proofreader.open(bundle)
    target, among, limit, candidates = sought.target, sought.among, sought.limit, candidates or _CANDIDATES
    best = searcher.search(vector[None], [candidates], target, patches=target == "images", among=among)[0]
    if isinstance(query, str):
        found = rerank(proofreader, query, best, words=True)
    else:
        (image,) = proofreader.encode_images(query[None])
        found = rerank_captions(proofreader, image.to_bytes(), best, words=True)
    if limit > candidates:
        behind = searcher.search(vector[None], [limit], target, skips=[candidates], among=among)[0]
        found += [Reread(hit) for hit in behind]
    return [each for each in found[:limit] if each.hit.score >= sought.least]


def _expect_patches_of(searcher: "Searcher", bundle: "Bundle") -> None:
    from index.errors import BundleMismatch

    if bundle.digest != searcher.manifest.bundle_digest:
        raise BundleMismatch(
            f"collection {searcher.name} is answered by {bundle.manifest.name}, and what is stored of its items is for the "
            f"proofreader of {searcher.manifest.bundle_name}: choose that one with `vilem index text-model {searcher.name} "
            f"--model {searcher.manifest.bundle_name}`"
        )


def _fields(found: "Reread", matching: "Matching | None") -> dict[str, object]:
    from dataclasses import asdict

    hit = found.hit
    fields: dict[str, object] = {"id": hit.id, "score": hit.score, "uri": hit.record.uri, "caption": _caption(hit)}
    if matching is not None:
        fields["probability"] = round(matching.probability(hit.score), 4)
    if hit.moment is not None:
        fields["moment"] = asdict(hit.moment)
    return fields if found.proof is None else {**fields, "mixed": found.mixed, "proof": asdict(found.proof)}


def _pixels(bundle: "Bundle", path: str) -> "np.ndarray":
    """The prepared pixels (S, S, 3) of a picture's file."""
    from models.errors import ImageUnreadable

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageUnreadable(f"{path} cannot be read: {error.strerror}") from error
    return bundle.prepare(data)


def _show(found: "list[Reread]", title: str, asked: Embedded, matching: "Matching | None", *, as_json: bool) -> None:
    if as_json:
        for each in found:
            typer.echo(json.dumps(_fields(each, matching)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("score", title=title)
    if matching is not None:
        # that it is right, where one in two is
        table.add_column("probability", justify="right")
    # whole, if need be on several lines: an id that is cut names nothing
    table.add_column("id", overflow="fold")
    table.add_column("caption", overflow="fold")
    reread, timed = any(each.proof for each in found), any(each.hit.moment for each in found)
    if timed:
        table.add_column("moment", justify="right")
    if reread:
        table.add_column("proofread", overflow="fold")
    for each in found:
        hit = each.hit
        # Text: what stands in brackets in a caption is no markup
        row: list[str | Text] = [f"{hit.score:.3f}", Text(hit.id), Text(_caption(hit))]
        if matching is not None:
            row.insert(1, f"{matching.probability(hit.score):.0%}")
        row += [clock(hit.moment.seconds) if hit.moment else ""] if timed else []
        table.add_row(*row, *([marked(each.proof) if each.proof else ""] if reread else []))
    console = Console()
    console.print(table)
    if asked.sentences is not None:
        console.print(f"the query is longer than the model reads at once: it was read in {asked.sentences} pieces")
    if asked.truncated:
        console.print("what was behind them was cut off", style="yellow")


def _caption(hit: "Hit") -> str:
    return hit.caption or (hit.record.captions[0] if hit.record.captions else "")
