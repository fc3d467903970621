"""A report as one HTML file: tables, and the pictures of wins and losses. No script, no request, light and dark.

Captions and names come from data sets of others: every text is escaped, and the page's own policy forbids everything
but inline style and `data:` pictures.
"""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from html import escape

from models.evaluation.markdown import facts, heading
from models.evaluation.report import Report, Rival
from models.evaluation.tables import Table, tables

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #b42318; --soft: #8881; }
@media (prefers-color-scheme: dark) { :root { --good: #4ac26b; --bad: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
mark { background: none; color: inherit; font-weight: 700; text-decoration: underline; }
ul { padding-left: 1.2rem; color: color-mix(in srgb, currentColor 75%, transparent); overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
article { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem; background: var(--soft); }
article p { margin: 0 0 .6rem; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; }
figure { margin: 0; } img { width: 100%; height: 10rem; object-fit: contain; background: var(--soft); }
figcaption, .said { font-size: .82rem; } .true { color: var(--good); } .false { color: var(--bad); }
""".strip()

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(report: Report, pictures: Mapping[str, str]) -> str:
    """The whole report.

    Args:
        report: what was measured.
        pictures: `data:` URIs by the ids that the report's rivals name.
    """
    title = escape(heading(report))
    known = "".join(f"<li>{escape(each)}</li>" for each in facts(report))
    figures = "".join(_table(each) for each in tables(report))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{title}</h1><ul>{known}</ul>{figures}{_examples(report.rivals, pictures)}</main></body></html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2><div class="wide">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _examples(rivals: Sequence[Rival], pictures: Mapping[str, str]) -> str:
    pages = [each for each in rivals if each.other_image is not None]
    texts = [each for each in rivals if each.other_text is not None]
    parts = (
        ("Wins: the caption's own picture ranks first", [each for each in pages if each.won]),
        ("Losses: another picture stands before its own", [each for each in pages if not each.won]),
        ("Wins: the true caption scores above its edit", [each for each in texts if each.won]),
        ("Losses: the edit scores as much or more", [each for each in texts if not each.won]),
    )
    return "".join(
        f'<section><h2>{escape(title)}</h2><div class="cards">{"".join(_card(each, pictures) for each in chosen)}'
        "</div></section>"
        for title, chosen in parts
        if chosen
    )


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
        picture = _figure(own, rival.image, rival.kind or "", "")
        return f'<article><div class="pair">{picture}<div>{said}</div></div></article>'
    best = "best other" if rival.won else "stands before it"
    other = rival.other_image or ""
    shown = (
        _figure(own, rival.image, f"rank {rival.rank:,} · {rival.score:.3f}", "true"),
        _figure(pictures.get(other), other, f"{best} · {rival.other_score:.3f}", "false"),
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


def _figure(uri: str | None, name: str, said: str, kind: str) -> str:
    shown = f'<img src="{escape(uri)}" alt="{escape(name)}">' if uri else ""
    return f'<figure title="{escape(name)}">{shown}<figcaption class="{kind}">{escape(said)}</figcaption></figure>'
