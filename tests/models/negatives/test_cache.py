"""Stored edits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.negatives.cache import CachedEditor, caption_key
from models.negatives.edited import Edited, Replacement, replaced
from models.negatives.editor import Caption
from models.negatives.errors import EditsInvalid


class Counting:
    """Edits the first word into a number that grows; counts how many captions it was asked for."""

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.asked = 0

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """None for an empty caption."""
        self.asked += len(captions)
        word = f"n{self.asked}\u2028"
        return [replaced(each.text, [Replacement(0, 1, word)], "mlm") if each.text else None for each in captions]


CAPTIONS = [Caption("a dog", ("dogs",)), Caption("the cat"), Caption("")]


def rng() -> np.random.Generator:
    """A fresh generator."""
    return np.random.default_rng(0)


def test_edits_are_made_once(tmp_path: Path) -> None:
    """Each caption is edited `per_caption` times, and never again; what is drawn is one of those."""
    inner = Counting()
    editor = CachedEditor(inner, tmp_path, per_caption=4)

    drawn = [editor.edit(CAPTIONS, rng()) for _ in range(3)]

    assert (12, 3) == (inner.asked, len(editor))
    assert drawn[0] == drawn[1] == drawn[2]
    assert all(edits[2] is None for edits in drawn)
    lots = {edit.text for seed in range(40) for edit in editor.edit(CAPTIONS[:1], np.random.default_rng(seed)) if edit}
    assert 4 == len(lots)


def test_edits_survive_the_process(tmp_path: Path) -> None:
    """What was flushed is read by the next editor of the same version, label by label."""
    first = CachedEditor(Counting(), tmp_path)
    before = first.edit(CAPTIONS, rng())
    first.flush()
    inner = Counting()

    again = CachedEditor(inner, tmp_path)

    assert before == again.edit(CAPTIONS, rng())
    assert 0 == inner.asked


def test_another_version_or_number_is_made_anew(tmp_path: Path) -> None:
    """Edits of another version of the editor, or another number of them, are not used."""
    list(CachedEditor(Counting(), tmp_path).fill(CAPTIONS, 0))

    assert 0 == len(CachedEditor(Counting("2"), tmp_path))
    assert 0 == len(CachedEditor(Counting(), tmp_path, per_caption=2))
    assert 3 == len(CachedEditor(Counting(), tmp_path))


def test_filling_tells_its_progress(tmp_path: Path) -> None:
    """After each batch the number of captions done, and at the end one shard on disk."""
    assert [2, 3] == list(CachedEditor(Counting(), tmp_path / "edits").fill(CAPTIONS, 0, batch=2))
    assert 1 == len(list((tmp_path / "edits").iterdir()))


class Lots:
    """Edits the first word into a number that is drawn; a caption's lot hangs on who is edited before it."""

    version = "lots"

    def edit(self, captions: Sequence[Caption], rng: np.random.Generator) -> list[Edited | None]:
        """Of every caption."""
        return [replaced(each.text, [Replacement(0, 1, f"n{rng.integers(10**9)}")], "mlm") for each in captions]


@pytest.mark.parametrize("done", [1, 2, 5])
def test_a_filling_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, done: int) -> None:
    """Whatever was written before the stop, and wherever it fell in a batch, each caption has the edits of an unbroken filling."""
    captions = [Caption(f"dog {number}") for number in range(7)]
    whole, stopped = (CachedEditor(Lots(), tmp_path / name) for name in ("whole", "stopped"))
    list(whole.fill(captions, 5, batch=3))
    for at in stopped.fill(captions, 5, batch=3):
        if at >= done:
            break
    # as if a shard had been full within a batch
    del stopped._new[done:]
    stopped.flush()

    resumed = CachedEditor(Lots(), tmp_path / "stopped")
    assert done == len(resumed)
    list(resumed.fill(captions, 5, batch=3))

    assert whole.edit(captions, rng()) == resumed.edit(captions, rng())


def test_shards_are_written_as_they_fill(tmp_path: Path) -> None:
    """With so many new captions a shard is written without being asked; flushing twice writes nothing more."""
    editor = CachedEditor(Counting(), tmp_path, shard=2)

    for caption in CAPTIONS:
        editor.edit([caption], rng())
    assert 1 == len(list(tmp_path.iterdir()))

    editor.flush()
    editor.flush()
    assert 2 == len(list(tmp_path.iterdir()))


def test_writers_side_by_side_agree(tmp_path: Path) -> None:
    """Two processes that make the same edits write the same file."""
    for _ in range(2):
        other = CachedEditor(Counting(), tmp_path / "none")
        list(other.fill(CAPTIONS, 0))

    assert 1 == len(list((tmp_path / "none").iterdir()))


@pytest.mark.parametrize("damage", [b"", b"x", b"{}"])
def test_a_damaged_shard_is_refused(tmp_path: Path, damage: bytes) -> None:
    """A truncated or altered shard is named when the editor opens."""
    list(CachedEditor(Counting(), tmp_path).fill(CAPTIONS, 0))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-20] + damage)

    with pytest.raises(EditsInvalid, match="not what was written"):
        CachedEditor(Counting(), tmp_path)


def test_the_key_is_of_the_content() -> None:
    """Equal captions have equal keys, whatever the order of the others; other text or other captions another key."""
    assert caption_key(Caption("a", ("b", "c"))) == caption_key(Caption("a", ("c", "b")))
    assert 3 == len({caption_key(each) for each in (Caption("a"), Caption("b"), Caption("a", ("b",)))})


def test_at_least_one_edit_is_kept(tmp_path: Path) -> None:
    """None per caption is refused."""
    with pytest.raises(ValueError, match="per_caption is 0"):
        CachedEditor(Counting(), tmp_path, per_caption=0)
