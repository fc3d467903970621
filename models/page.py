"""The parts of a report that is one HTML file: tables and pictures. No script, no request, light and dark.

Captions and names come from data sets of others: every text is escaped, and the page's own policy forbids everything
but inline style and `data:` pictures.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from models.decode import decode

STYLE = """
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
figcaption, .said { font-size: .82rem; overflow-wrap: anywhere; } .true { color: var(--good); } .false { color: var(--bad); }
""".strip()

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

# two beside each other on a phone; some 8 kB each
_SIDE = 240
_QUALITY = 78


def document(title: str, facts: Iterable[str], body: str) -> str:
    """The whole page.

    Args:
        title: plain text.
        facts: plain texts that stand under the title.
        body: HTML, made by the functions of this module.
    """
    known = "".join(f"<li>{escape(each)}</li>" for each in facts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><ul>{known}</ul>{body}</main></body></html>\n"
    )


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A heading and a table of plain texts; the first column is aligned to the left."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in columns)
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<h2>{escape(title)}</h2><div class="wide">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>"
    )


def cards(title: str, articles: Iterable[str]) -> str:
    """A heading and a grid of articles, each HTML of its own; nothing when there are none."""
    inside = "".join(articles)
    return f'<section><h2>{escape(title)}</h2><div class="cards">{inside}</div></section>' if inside else ""


def figure(uri: str | None, name: str, said: str, kind: str = "") -> str:
    """A picture with a line under it.

    Args:
        uri: `data:` URI; None where there is no picture to show.
        name: plain text, of the picture.
        said: plain text, under it.
        kind: "true", "false" or nothing: its colour.
    """
    shown = f'<img src="{escape(uri)}" alt="{escape(name)}">' if uri else ""
    return f'<figure title="{escape(name)}">{shown}<figcaption class="{kind}">{escape(said)}</figcaption></figure>'


def data_uri(data: bytes) -> str:
    """An image file, shrunk, as a `data:` URI.

    Raises:
        ImageUnreadable, ImageTooLarge: it is damaged or too large.
    """
    image = decode(data, min_side=_SIDE)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    # no metadata of the original is carried over
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
