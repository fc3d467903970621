"""What a text tower is taught on: texts that it reads, each beside the caption that the teacher reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.text import CleanMode, clean
from models.training.distill_texts import DistillationError


@dataclass(frozen=True)
class TextPairs:
    """N pairs.

    Attributes:
        captions: what the teacher reads.
        read: what the student reads: the caption itself, or a translation.
    """

    captions: Sequence[str]
    read: Sequence[str]

    def __len__(self) -> int:
        """N."""
        return len(self.captions)

    def at(self, rows: np.ndarray) -> "TextPairs":
        """The pairs of those numbers."""
        return TextPairs([self.captions[row] for row in rows], [self.read[row] for row in rows])


def text_pairs(captions: Iterable[str], translations: Iterable[tuple[str, str]], cleaning: CleanMode) -> TextPairs:
    """Captions that are read as they are, then those that are read as translations; each pair once.

    Args:
        captions: read by both.
        translations: (caption, translation) each.
        cleaning: of what the student reads, as its bundle will clean queries.

    Raises:
        TextInvalid: a text is not Unicode.
    """
    both = [(caption, caption) for caption in captions] + list(translations)
    unique = dict.fromkeys((caption, clean(read, cleaning)) for caption, read in both)
    return TextPairs([caption for caption, _ in unique], [read for _, read in unique])


def hold_out(pairs: TextPairs, count: int, seed: int) -> tuple[TextPairs, TextPairs]:
    """Pairs to learn from, and pairs to measure on; what shares a text with those, such as another translation, is neither.

    Args:
        pairs: all.
        count: pairs to measure on.
        seed: of the choice.

    Raises:
        DistillationError: nothing would be left to learn from.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(pairs))[:count])
    captions = {pairs.captions[row] for row in chosen}
    read = {pairs.read[row] for row in chosen}
    others = [row for row in range(len(pairs)) if pairs.captions[row] not in captions and pairs.read[row] not in read]
    if not others:
        raise DistillationError(
            f"{count} of {len(pairs)} captions are held out, and none is left to learn from: give more captions, "
            "or hold out fewer"
        )
    return pairs.at(np.array(others)), pairs.at(chosen)


def read_translations(path: Path) -> list[tuple[str, str]]:
    """Read a file of lines `caption<TAB>translation`; blank lines are left out.

    Raises:
        DistillationError: the file cannot be read, or a line has not two texts, which is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DistillationError(f"{path} cannot be read as UTF-8 text: {error}") from error
    found: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) == 2 and all(parts):
            found.append((parts[0], parts[1]))
        elif line.strip():
            raise DistillationError(
                f"{path}, line {number} has not a caption and its translation with one tab between them"
            )
    return found
