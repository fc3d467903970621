"""An audit as one HTML page that shows the pictures."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from index.audit.figures import Audit, Captions, Place, Suspect
from index.searcher import Searcher
from index.thumbnails import Thumbnails
from models.page import cards, document, figure, table
from models.sealed import write_atomically

# of each list
SHOWN = 48


def write_page(searcher: Searcher, audit: Audit, path: Path) -> None:
    """Write the page, whole or not at all."""
    write_atomically(path, page(searcher, audit).encode())


def page(searcher: Searcher, audit: Audit) -> str:
    """The page as HTML: figures, then the first 48 of each list with their pictures."""
    thumbnails = Thumbnails(searcher)
    parts = [table("Figures", ("what", "figure"), summary(audit))]
    if audit.captions is not None:
        parts.append(_suspects(searcher, audit.captions, thumbnails))
    if audit.texts is not None and audit.texts.most:
        rows = [(each.caption, f"{each.items:,}", ", ".join(each.examples)) for each in audit.texts.most[:SHOWN]]
        parts.append(table("Captions of many items", ("caption", "items", "such as"), rows))
    far = (_place(searcher, each, thumbnails) for each in audit.outliers.farthest[:SHOWN])
    parts.append(cards("Farthest from all others", far))
    near = (_place(searcher, each, thumbnails) for each in audit.hubs.greatest[:SHOWN])
    parts.append(cards("Near to the most others", near))
    if audit.files is not None and audit.files.examples:
        broken = [(each.id, each.uri, each.why) for each in audit.files.examples[:SHOWN]]
        parts.append(table("Broken pictures", ("item", "uri", "why"), broken))
    facts = [
        f"{audit.items:,} items at version {audit.items_version}, embedded by {audit.bundle_name}; {audit.created_at}",
        "each list shows where to look first: a low cosine may be a wrong caption, or a picture that the model does not understand",
    ]
    return document(f"Audit of {audit.collection}", facts, "".join(parts))


def summary(audit: Audit) -> list[tuple[str, str]]:
    """The figures as rows of two texts."""
    rows: list[tuple[str, str]] = []
    captions, texts, outliers, hubs = audit.captions, audit.texts, audit.outliers, audit.hubs
    if captions is not None:
        kinds = (
            f"{captions.flagged:,} of {captions.pairs:,}" if captions.two_kinds else "none: the cosines are of one kind"
        )
        rows += [
            ("pictures whose caption is likelier another's", kinds),
            ("expected number of wrong captions", f"{captions.expected_wrong:,.0f}"),
            ("mean cosine of a picture and its caption", f"{captions.mean_cosine:.4f}"),
        ]
    if texts is not None:
        rows.append(
            ("captions that several items have", f"{texts.shared:,} of {texts.different:,} ({texts.pairs:,} pairs)")
        )
    rows += [
        ("outliers", f"{outliers.flagged:,} (median distance to {hubs.k} neighbours {outliers.median_distance:.4f})"),
        ("hubs", f"{hubs.flagged:,} among the {hubs.k} nearest of more than {hubs.bound:.1f} others"),
        ("skewness of how often items are neighbours", f"{hubs.skewness:.2f}"),
        ("items that are nobody's neighbour", f"{hubs.never_found:,}"),
    ]
    if audit.files is not None:
        rows.append(("broken pictures", f"{audit.files.broken:,} of {audit.files.read:,}"))
    return rows


def _suspects(searcher: Searcher, captions: Captions, thumbnails: Thumbnails) -> str:
    shown: Iterable[str] = (_suspect(searcher, each, thumbnails) for each in captions.suspects[:SHOWN])
    return cards("Captions that fit their picture least", shown)


def _suspect(searcher: Searcher, suspect: Suspect, thumbnails: Thumbnails) -> str:
    own = _figure(
        searcher, suspect.id, f"{suspect.id} · {suspect.cosine:.3f}, wrong {suspect.wrong:.0%}", thumbnails, "false"
    )
    other = ""
    if suspect.fits is not None:
        said = f"fits {suspect.fits} · {suspect.fits_cosine or 0:.3f}"
        other = _figure(searcher, suspect.fits, said, thumbnails, "true")
    return f'<article><p>{escape(suspect.caption)}</p><div class="pair">{own}{other}</div></article>'


def _place(searcher: Searcher, place: Place, thumbnails: Thumbnails) -> str:
    said = f"{place.id} · distance {place.distance:.3f} (z {place.z:.1f}) · neighbour of {place.occurrences:,}"
    return f"<article>{_figure(searcher, place.id, said, thumbnails)}</article>"


def _figure(searcher: Searcher, item: str, said: str, thumbnails: Thumbnails, kind: str = "") -> str:
    record = searcher.record(item)
    return figure(None if record is None else thumbnails.of(record), item, said, kind)
