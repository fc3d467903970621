"""One picture's record, as JSONL lines and the JSON files of WebDataset shards hold it: captions, and what else is known.

`captions` is a list of texts. What `vilem scenes make` adds is used where it is there: `negatives` (false texts with
`text`, `kind` and the number of the `caption` they were made from), `held_back` and `objects` (groups to count in).
"""

import json
from typing import cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from models.evaluation.dataset import Edit, Entry

EXPECTED = '{"captions": ["…", …]}, a list of at least one text'


class Negative(BaseModel):
    """A false text, its kind, and which caption it was made from."""

    text: str
    kind: str
    caption: int = 0


class Record(BaseModel):
    """What is known of one picture."""

    model_config = ConfigDict(frozen=True)

    captions: list[str]
    negatives: list[Negative] = []
    # of other makers these may be anything: only what our scenes write is understood
    held_back: object = None
    objects: object = None

    @model_validator(mode="after")
    def _captions_are_there(self) -> "Record":
        if not self.captions:
            raise ValueError("no captions: leave pictures without captions out")
        for each in self.negatives:
            if not 0 <= each.caption < len(self.captions):
                raise ValueError(f"a negative of caption {each.caption}, of {len(self.captions)} captions")
        return self

    def labels(self) -> tuple[str, ...]:
        """Groups that each caption counts in."""
        counted = (how_many(len(cast("list[object]", self.objects))),) if isinstance(self.objects, list) else ()
        return (*self.novelty(), *counted)

    def novelty(self) -> tuple[str, ...]:
        """The group of scenes with, or without, a new combination; none where that is not told."""
        return (novelty(held_back=self.held_back),) if isinstance(self.held_back, bool) else ()

    def fill(self, entry: Entry) -> Entry:
        """The entry with this record's captions, labels and edits."""
        edits = tuple(edit_of(each.text, each.caption, each.kind, self.novelty()) for each in self.negatives)
        labels = (self.labels(),) * len(self.captions) if self.labels() else ()
        return Entry(entry.id, entry.read, tuple(self.captions), labels, edits)


def parse(data: bytes | str) -> tuple[Record | None, str]:
    """A record, or None with what is wrong with it."""
    try:
        return Record.model_validate(json.loads(data)), ""
    except ValidationError as error:
        first = error.errors()[0]
        return None, ": ".join([*(str(part) for part in first["loc"]), first["msg"]])
    except (ValueError, RecursionError) as error:
        return None, f"{type(error).__name__}: {error}"


def lines(data: bytes) -> tuple[Record | None, str]:
    """A record of plain text, a caption on each line, or None with what is wrong with it."""
    try:
        found = [line.strip() for line in data.decode().splitlines()]
        return Record(captions=[line for line in found if line]), ""
    except UnicodeDecodeError as error:
        return None, f"no UTF-8 text: {error}"
    except ValidationError as error:
        return None, error.errors()[0]["msg"]


def novelty(*, held_back: bool) -> str:
    """Name of the group of scenes with, or without, a colour on a shape that training never shows."""
    return "held-back" if held_back else "seen"


def how_many(objects: int) -> str:
    """Name of the group of scenes with so many objects."""
    return f"{objects} object{'s' if objects > 1 else ''}"


def edit_of(text: str, caption: int, kind: str, groups: tuple[str, ...]) -> Edit:
    """An edit that counts in its kind, in its groups, and in each of them within its kind."""
    return Edit(text, caption, kind, (*groups, *(f"{kind}, {group}" for group in groups)))
