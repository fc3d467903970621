"""A report as one HTML file: tables, and the pictures of wins and losses."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from html import escape

from models.evaluation.markdown import facts, heading
from models.evaluation.report import Report, Rival
from models.evaluation.tables import tables
from models.page import cards, document, figure, table


def page(report: Report, pictures: Mapping[str, str]) -> str:
    """The whole report.

    Args:
        report: what was measured.
        pictures: `data:` URIs by the ids that the report's rivals name.
    """
    figures = "".join(table(each.title, each.columns, each.rows) for each in tables(report))
    return document(heading(report), facts(report), figures + _examples(report.rivals, pictures))


def _examples(rivals: Sequence[Rival], pictures: Mapping[str, str]) -> str:
    pages = [each for each in rivals if each.other_image is not None]
    texts = [each for each in rivals if each.other_text is not None]
    parts = (
        ("Wins: the caption's own picture ranks first", [each for each in pages if each.won]),
        ("Losses: another picture stands before its own", [each for each in pages if not each.won]),
        ("Wins: the true caption scores above its edit", [each for each in texts if each.won]),
        ("Losses: the edit scores as much or more", [each for each in texts if not each.won]),
    )
    return "".join(cards(title, (_card(each, pictures) for each in chosen)) for title, chosen in parts)


def _card(rival: Rival, pictures: Mapping[str, str]) -> str:
    own = pictures.get(rival.image)
    if rival.other_text is not None:
        true, false = _marked(rival.text, rival.other_text)
        said = "".join(
            f'<p class="said {kind}">{name} {score:.4f}<br>{text}</p>'
            for kind, name, score, text in (
                ("true", "true", rival.score, true),
                ("false", "edited", rival.other_score, false),
            )
        )
        picture = figure(own, rival.image, rival.kind or "", "")
        return f'<article><div class="pair">{picture}<div>{said}</div></div></article>'
    best = "best other" if rival.won else "stands before it"
    other = rival.other_image or ""
    shown = (
        figure(own, rival.image, f"rank {rival.rank:,} · {rival.score:.3f}", "true"),
        figure(pictures.get(other), other, f"{best} · {rival.other_score:.3f}", "false"),
    )
    return f'<article><p>{escape(rival.text)}</p><div class="pair">{"".join(shown)}</div></article>'


def _marked(true: str, false: str) -> tuple[str, str]:
    """Both texts, escaped, with the words marked that the other lacks."""
    before, after = true.split(), false.split()
    sides: tuple[list[str], list[str]] = ([], [])
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for side, words in zip(sides, (before[a:b], after[c:d]), strict=True):
            text = escape(" ".join(words))
            if text:
                side.append(text if tag == "equal" else f"<mark>{text}</mark>")
    return " ".join(sides[0]), " ".join(sides[1])
