"""Groups of duplicates for people and programs: JSON with all of them, one HTML page with the largest."""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from index.duplicates.find import Duplicates
from index.duplicates.groups import GroupsInfo
from index.schema import Record
from index.searcher import Searcher
from index.thumbnails import Thumbnails
from models.page import cards, document, figure
from models.sealed import write_atomically

# groups whose items are looked up together
_CHUNK = 256
SHOWN_GROUPS = 60
SHOWN_MEMBERS = 8


def write_json(searcher: Searcher, duplicates: Duplicates, info: GroupsInfo, path: Path) -> None:
    """Write every group, one a line, whole or not at all; memory is bounded by 256 groups.

    Each has the representative's id, its size, the least cosine of two members, and of each member id, cosine to the
    representative, and whether an earlier item has the same bytes.
    """
    write_atomically(path, _json_parts(searcher, duplicates, info))


def write_page(searcher: Searcher, duplicates: Duplicates, info: GroupsInfo, path: Path) -> None:
    """Write a page that shows the largest groups: up to 60, of each up to 8 pictures."""
    write_atomically(path, page(searcher, duplicates, info).encode())


def page(searcher: Searcher, duplicates: Duplicates, info: GroupsInfo) -> str:
    """The page as HTML."""
    groups = duplicates.found.groups()
    thumbnails = Thumbnails(searcher)
    articles = [_article(searcher, duplicates, members, thumbnails) for members in groups[:SHOWN_GROUPS]]
    heading = f"The {len(articles)} largest groups" if len(groups) > len(articles) else "Groups"
    return document(f"Duplicates in {info.collection}", facts(duplicates, info), cards(heading, articles))


def facts(duplicates: Duplicates, info: GroupsInfo) -> list[str]:
    """What was found and how, as sentences."""
    found = duplicates.found
    extra = len(found.rows) - info.groups
    by_hash = "" if info.bits is None else f", or perceptual hashes that differ in at most {info.bits} of 64 bits"
    chains = "members may resemble each other in a chain" if info.chains else "to the group's representative"
    counts = (
        f"{info.items:,} items at version {info.items_version}: {info.groups:,} groups of {len(found.rows):,} items; "
        f"{extra:,} could be spared, {int(found.copies.sum()):,} of them copies byte for byte"
    )
    said = [
        counts,
        f"near-duplicates have a cosine of at least {info.threshold:.4f}{by_hash}; {chains}",
    ]
    if duplicates.unreadable:
        said.append(f"{duplicates.unreadable:,} pictures could not be read for their hash")
    return said


def _json_parts(searcher: Searcher, duplicates: Duplicates, info: GroupsInfo) -> Iterator[bytes]:
    head = {**info.model_dump(), "unreadable": duplicates.unreadable}
    yield json.dumps(head)[:-1].encode() + b', "found": ['
    groups = duplicates.found.groups()
    for start in range(0, len(groups), _CHUNK):
        some = groups[start : start + _CHUNK]
        records = _records(searcher, duplicates, np.concatenate(some))
        for number, members in enumerate(some, start):
            line = json.dumps(_group(duplicates, members, records), ensure_ascii=False)
            yield f"{',' if number else ''}\n{line}".encode()
    yield b"\n]}\n"


def _group(duplicates: Duplicates, members: np.ndarray, records: dict[int, Record]) -> dict[str, object]:
    found = duplicates.found
    rows = found.rows[members].tolist()
    items = [
        {"id": records[row].id, "cosine": round(float(cosine), 4), "copy": bool(copy)}
        for row, cosine, copy in zip(rows, found.cosines[members], found.copies[members], strict=True)
        if row in records
    ]
    least = round(duplicates.least[int(found.representatives[members[0]])], 4)
    return {"representative": records[rows[0]].id, "size": len(rows), "least_cosine": least, "items": items}


def _records(searcher: Searcher, duplicates: Duplicates, members: np.ndarray) -> dict[int, Record]:
    rows = duplicates.found.rows[members].tolist()
    found = searcher.view.collection.records_at(rows)
    return {row: record for row, record in zip(rows, found, strict=True) if record is not None}


def _article(searcher: Searcher, duplicates: Duplicates, members: np.ndarray, thumbnails: Thumbnails) -> str:
    found, shown = duplicates.found, members[:SHOWN_MEMBERS]
    records = _records(searcher, duplicates, shown)
    least = duplicates.least[int(found.representatives[members[0]])]
    figures = [
        figure(thumbnails.of(records[row]), records[row].id, f"{records[row].id} · {_said(row, duplicates, place)}")
        for place, row in zip(shown.tolist(), found.rows[shown].tolist(), strict=True)
        if row in records
    ]
    more = f", {len(members) - len(shown):,} more" if len(members) > len(shown) else ""
    title = f"{len(members):,} items{more} · least cosine of two {least:.4f}"
    return f'<article><p>{escape(title)}</p><div class="pair">{"".join(figures)}</div></article>'


def _said(row: int, duplicates: Duplicates, place: int) -> str:
    found = duplicates.found
    if row == found.representatives[place]:
        return "representative"
    return "a copy, byte for byte" if found.copies[place] else f"{found.cosines[place]:.4f}"
