"""At which times the videos of a generation were taken, so that another model can be shown the same moments.

A row tells it only as a hash (`index.moments.moments_key`). `samplings.json` in the generation's folder holds what the
collection's jobs were told beside the usual; the one that gives a row its hash is the row's.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import lance
from pydantic import Field

from index.moments import keeps_videos, moments_key
from index.schema import VIDEO_KEY, Record
from index.sealed_json import SealedJson
from models.video.sampling import Sampling

SAMPLINGS_FILE = "samplings.json"
_USUAL = Sampling()


class _Samplings(SealedJson):
    schema_version: int = 1
    # pydantic reads and writes dataclasses as they are
    samplings: list[Sampling] = Field(default_factory=list[Sampling])


def note_samplings(path: Path, samplings: Iterable[Sampling]) -> None:
    """Write down that videos of the generation in folder *path* may be taken so; the caller is its only writer of rows.

    Raises:
        CollectionInvalid, CollectionTooNew: as `noted_samplings`.
    """
    known = noted_samplings(path)
    found = list(dict.fromkeys([*known, *samplings]))
    if len(found) > len(known):
        _Samplings(samplings=found[1:]).write(path / SAMPLINGS_FILE)


def noted_samplings(path: Path) -> list[Sampling]:
    """How videos of the generation in folder *path* may have been taken; the first is the usual way.

    Raises:
        CollectionTooNew: written by a newer ViLEM.
        CollectionInvalid: the file is damaged.
    """
    remedy = "remove it; a change of models takes videos at the usual times then, or as its options say"
    found = _Samplings.read(path / SAMPLINGS_FILE, remedy)
    return [_USUAL, *(found.samplings if found else [])]


def sampling_of(record: Record, known: Sequence[Sampling]) -> Sampling | None:
    """Which of the *known* ones a stored video was taken by; None if by none of them, or it is a picture."""
    if record.video is None:
        return None
    return next((each for each in known if record.video.key == moments_key(record.sha256, each)), None)


def commonest_sampling(items: lance.LanceDataset, known: Sequence[Sampling]) -> Sampling:
    """Which of the *known* ones most of the stored videos were taken by; the last of them where there are no videos."""
    counts = Counter[Sampling]()
    if len(known) > 1 and keeps_videos(items):
        scan = items.scanner(columns=["sha256", VIDEO_KEY], filter=f"{VIDEO_KEY} IS NOT NULL")
        for batch in scan.to_batches():
            for sha256, key in zip(batch["sha256"].to_pylist(), batch[VIDEO_KEY].to_pylist(), strict=True):
                counts.update(each for each in known if key == moments_key(sha256, each))
    return max(known, key=lambda each: counts[each]) if counts else known[-1]
