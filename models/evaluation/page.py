"""A report as one HTML file: tables, and the pictures of wins and losses."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from html import escape

from models.evaluation.markdown import facts, heading
from models.evaluation.report import ReadText, Report, Rival, WrongWord
from models.evaluation.tables import tables
from models.page import cards, document, figure, table


def page(report: Report, pictures: Mapping[str, str]) -> str:
    """The whole report.

    Args:
        report: what was measured.
        pictures: `data:` URIs by the ids that the report's rivals name.
    """
    figures = "".join(table(each.title, each.columns, each.rows) for each in tables(report))
    examples = _examples(report.rivals, pictures) + _read_texts(report.read, pictures)
    return document(heading(report), facts(report), figures + examples)


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


def _read_texts(texts: Sequence[ReadText], pictures: Mapping[str, str]) -> str:
    parts = (
        ("Wins: every wrong word is told (green)", [each for each in texts if each.won]),
        ("Losses: a wrong word is missed (red)", [each for each in texts if not each.won]),
    )
    return "".join(cards(title, (_read_card(each, pictures) for each in chosen)) for title, chosen in parts)


def _read_card(read: ReadText, pictures: Mapping[str, str]) -> str:
    said, done = "", 0
    for word in read.words:
        marked = f'<mark class="{_colour(word)}">{escape(read.text[word.start : word.end])}</mark>'
        said, done = f"{said}{escape(read.text[done : word.start])}{marked}", word.end
    said = f'<p class="said">{said}{escape(read.text[done:])}</p>'
    said += "".join(_word_said(word, read.text) for word in read.words)
    return f'<article><div class="pair">{figure(pictures.get(read.image), read.image, read.kind)}<div>{said}</div></div></article>'


def _word_said(word: WrongWord, text: str) -> str:
    """What became of one wrong word: told or missed, what is put there, and what belongs there where that is another."""
    right = word.guess is not None and word.guess == word.should_be
    parts = [f"{text[word.start : word.end]}: {'told' if word.told else 'missed'}, P(wrong) {word.wrong:.2f}"]
    if right and word.told:
        parts.append(f"restored to {word.guess}")
    elif word.guess is not None:
        parts.append(f"first guess {word.guess}{', which is right' if right else ''}")
    if word.should_be is not None and not right:
        parts.append(f"was {word.should_be}")
    return f'<p class="said {_colour(word)}">{escape("; ".join(parts))}</p>'


def _colour(word: WrongWord) -> str:
    return "true" if word.told else "false"


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
