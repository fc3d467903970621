"""From a bundle's proofreader and a data set to a report: which words of its false captions are found and restored.

Of each caption one edit of each kind is read, the first, so that a data set with many edits of one kind is no figure of
that kind alone, and so is each caption that one of them was made from: right words then stand beside wrong ones of the same
sorts, and come from true sentences as well as from edited ones. Each text is read beside its own picture and beside another's.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from models.bundle import Bundle
from models.evaluation.dataset import Dataset, DatasetInvalid, Edit, Entry
from models.evaluation.embed import BATCH, prepared
from models.evaluation.figures import figures
from models.evaluation.judged import Judged, editable, judge
from models.evaluation.outcomes import Pool, Words
from models.evaluation.report import DataTag, ModelTag, ReadText, Report
from models.evaluation.rivals import read_texts
from models.evaluation.words import shuffled_images
from models.negatives.edited import Edited, aligned, unedited
from models.proof import Proof
from models.proof_image import StoredImage
from models.proofreader import Proofreader
from models.text import Tokenizer

# lets somebody see entries pass, and what is done with them
Watch = Callable[[Sequence[Entry], str], Iterable[Entry]]

# of the shuffling: everybody's control is the same
_SEED = 0
# decimals of a kept P(wrong): the ties that they make change an AUROC of scenes-s by 1e-6
_DECIMALS = 6


class _Text(NamedTuple):
    """A text as it is written, its labels as the model reads it, and whether its end is cut off."""

    written: str
    edit: Edited
    cut: bool


@dataclass(frozen=True)
class _Asked:
    """What is read beside one picture.

    Attributes:
        unit: the picture's number among those with captions.
        false: edited texts.
        true: the captions that they were made from.
    """

    unit: int
    false: list[_Text]
    true: list[_Text]

    @property
    def texts(self) -> list[_Text]:
        return [*self.false, *self.true]


def measure_words(bundle: Bundle, reader: Proofreader, data: Dataset, watch: Watch | None = None) -> Report:
    """Proofread a data set's false captions, and the true ones that they were made from.

    Memory holds what the reader keeps of each picture (`Proofreader.stored_bytes`), and no picture.

    Args:
        bundle: the model.
        reader: its proofreader.
        data: pictures, captions and edits.
        watch: wraps the entries, once while pictures are encoded and once while texts are read.

    Raises:
        DatasetInvalid: fewer than two pictures have false captions, these change no word, nothing but wrong words could be
            judged, or a picture is damaged or too large.
        TextInvalid: a text holds lone surrogates.
    """
    see = watch or (lambda entries, _: entries)
    asked = _asked(bundle.tokenizer, data)
    images, digest = _encoded(bundle, reader, see(data.entries, "encoding"), asked.keys())
    words, examples = _read(reader, see(data.entries, "reading"), asked, images, data.source)
    pool = Pool(images=sum(bool(each.captions) for each in data.entries), tasks={}, words=words)
    return Report(
        # the proofreader's graphs are of one precision, whatever the towers have
        model=ModelTag(name=bundle.manifest.name, digest=bundle.digest, variant="fp32"),
        data=DataTag.of(data, digest),
        images=len(data.entries),
        captions=sum(len(each.captions) for each in data.entries),
        truncated=sum(text.cut for each in asked.values() for text in each.texts),
        pool=pool,
        figures=figures(pool),
        read=tuple(examples),
    )


def _asked(tokenizer: Tokenizer, data: Dataset) -> dict[str, _Asked]:
    """What is read beside each picture that has edits, by its id."""
    if not any(entry.edits for entry in data.entries):
        raise DatasetInvalid(
            f"{data.source} has no false captions to proofread: expected `negatives` beside the captions, each with "
            "`text`, `kind` and the number of its `caption` (docs/evaluation.md); or let them be made, with --make-edits"
        )
    captioned = [entry for entry in data.entries if entry.captions]
    found = {entry.id: _texts(tokenizer, entry, unit) for unit, entry in enumerate(captioned) if entry.edits}
    if len(found) < 2:
        raise DatasetInvalid(
            f"{data.source} has one picture with false captions: expected two at least, because each text is also read "
            "beside another picture"
        )
    return found


def _texts(tokenizer: Tokenizer, entry: Entry, unit: int) -> _Asked:
    first: dict[tuple[int, str], Edit] = {}
    for edit in entry.edits:
        first.setdefault((edit.caption, edit.kind), edit)
    chosen = first.values()
    true = {said: tokenizer.read(said) for said in dict.fromkeys(entry.captions[edit.caption] for edit in chosen)}
    false: list[_Text] = []
    for edit in chosen:
        reading = tokenizer.read(edit.text)
        # as the model reads both, so that its words are the labelled ones
        labelled = aligned(true[entry.captions[edit.caption]].text, reading.text, edit.kind)
        false.append(_Text(edit.text, labelled, reading.cut is not None))
    return _Asked(unit, false, [_Text(said, unedited(read.text), read.cut is not None) for said, read in true.items()])


def _encoded(
    bundle: Bundle, reader: Proofreader, entries: Iterable[Entry], wanted: Iterable[str]
) -> tuple[dict[str, StoredImage], str]:
    """What the reader keeps of the wanted pictures, by id, and the digest of the data."""
    found: dict[str, StoredImage] = {}
    digest, kept, remaining = hashlib.sha256(), frozenset(wanted), iter(entries)
    while batch := list(islice(remaining, BATCH)):
        pixels: dict[str, np.ndarray] = {}
        for each in batch:
            file = each.read()
            digest.update(each.identity(file, edits=True))
            if each.id in kept:
                pixels[each.id] = prepared(bundle, each, file)
        if pixels:
            found.update(zip(pixels, reader.encode_images(np.stack(list(pixels.values()))), strict=True))
    return found, digest.hexdigest()


def _read(
    reader: Proofreader,
    entries: Iterable[Entry],
    asked: dict[str, _Asked],
    images: dict[str, StoredImage],
    source: str,
) -> tuple[Words, list[ReadText]]:
    """Every text beside its own picture and another's; and some of them, to be looked at."""
    words = editable(text.edit for each in asked.values() for text in each.false)
    vocabulary = frozenset(reader.vocabulary)
    ids = list(asked)
    others = dict(zip(ids, (ids[row] for row in shuffled_images(np.arange(len(ids)), _SEED)), strict=True))
    names: list[str] = []
    found: list[Judged] = []
    there = 0
    for entry in entries:
        if (each := asked.get(entry.id)) is None:
            continue
        for text, own, other in _proofs(reader, each, images[entry.id], images[others[entry.id]]):
            found += judge(text.edit, own, other, words, vocabulary)
            there += sum(word.text.lower() in words for word in text.edit.words)
        names += [entry.id] * (len(found) - len(names))
    wrong = sum(word.wrong for word in found)
    if not 0 < wrong < len(found):
        raise DatasetInvalid(
            f"{source} cannot be judged word by word: {wrong:,} wrong and {len(found) - wrong:,} right words to tell apart; "
            "expected false captions that put other words for some of the true ones"
        )
    units = [asked[name].unit for name in names]
    made = _columns(found, units, asked.values(), there - len(found))
    made = made.model_copy(update={"threshold": reader.threshold})
    return made, read_texts(found, names, made.threshold)


def _proofs(
    reader: Proofreader, asked: _Asked, own: StoredImage, other: StoredImage
) -> Iterator[tuple[_Text, Proof, Proof]]:
    """Each text with its proofs beside both pictures."""
    # what belongs there is asked of wrong words alone, but of all of these
    plain, thorough = reader.correcting(np.inf), reader.correcting(-np.inf)
    false, true = ([text.written for text in texts] for texts in (asked.false, asked.true))
    mine = [*thorough.check_texts(false, own), *plain.check_texts(true, own)]
    return zip(asked.texts, mine, plain.check_texts([*false, *true], other), strict=True)


def _columns(found: Sequence[Judged], units: list[int], asked: Iterable[_Asked], unread: int) -> Words:
    kinds = sorted({word.kind for word in found if word.wrong})
    sizes = [(len(each.false), len(each.true)) for each in asked]
    return Words(
        images=units,
        own=[round(word.own, _DECIMALS) for word in found],
        other=[round(word.other, _DECIMALS) for word in found],
        wrong={kind: [row for row, word in enumerate(found) if word.wrong and word.kind == kind] for kind in kinds},
        known=[row for row, word in enumerate(found) if word.restored is not None],
        restored=[row for row, word in enumerate(found) if word.restored],
        edits=sum(false for false, _ in sizes),
        captions=sum(true for _, true in sizes),
        unread=unread,
    )
