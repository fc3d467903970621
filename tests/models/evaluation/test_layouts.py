"""Data sets as examples, and examples in a bundle's space."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.bundle import Bundle
from models.evaluation.layouts import DatasetInvalid, Example, embed, jsonl, scenes
from models.scenes.captions import KINDS
from models.scenes.corpus import generate, write_jsonl


def _png(colour: tuple[int, int, int], side: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_scenes_are_labelled_by_kind_novelty_and_size() -> None:
    """Each rendered scene has one caption of each kind; all say whether it shows something new, and how many objects."""
    for each, made in zip(scenes(12, seed=3), generate("test", 12, seed=3), strict=True):
        novelty = "held-back" if made.scene.held_back else "seen"
        count = len(made.scene.objects)
        expected = [(kind, novelty, "1 object" if count == 1 else f"{count} objects") for kind in KINDS]
        assert expected == list(each.labels)


def test_scenes_are_determined_by_their_seed() -> None:
    """Equal arguments give equal bytes and texts; another seed gives others."""
    assert list(scenes(2, seed=3)) == list(scenes(2, seed=3))
    assert list(scenes(2, seed=3)) != list(scenes(2, seed=4))


def test_a_written_corpus_reads_back(tmp_path: Path) -> None:
    """What the scenes corpus writes as JSONL is the same data set as the scenes in memory, but for the labels."""
    list(write_jsonl(tmp_path, "test", 3, seed=3))

    read = list(jsonl(tmp_path / "test.jsonl"))

    assert [(each.data, each.captions) for each in scenes(3, seed=3)] == [(each.data, each.captions) for each in read]
    assert [((),) * 5] * 3 == [each.labels for each in read]


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    """A path that is no file is an error that says the layout."""
    with pytest.raises(DatasetInvalid, match=r"nowhere\.jsonl: give a JSONL file"):
        next(jsonl(tmp_path / "nowhere.jsonl"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("not json", "JSONDecodeError"),
        ('{"path": "a.png"}', "captions"),
        ('{"captions": ["a"]}', "path"),
        ('{"path": "gone.png", "captions": ["a"]}', "FileNotFoundError"),
        ('{"path": "a.png", "captions": []}', "no captions"),
        ("[1, 2]", "TypeError"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    """A line that is not an image with captions is an error with its number and its fault."""
    (tmp_path / "a.png").write_bytes(_png((1, 2, 3)))
    (tmp_path / "set.jsonl").write_text(json.dumps({"path": "a.png", "captions": ["one"]}) + "\n" + line + "\n")

    with pytest.raises(DatasetInvalid, match="line 2") as caught:
        list(jsonl(tmp_path / "set.jsonl"))

    assert why in str(caught.value)


def test_owners_follow_uneven_captions(tiny_bundle: Path) -> None:
    """Each text's owner is the row of its image, however many captions the images have, across batches."""
    bundle = Bundle.open(tiny_bundle)
    counts = [1 + row % 3 for row in range(70)]
    examples = [
        Example(_png((row, 0, 0)), tuple(f"red {number}" for number in range(count)), ((f"n{count}",),) * count)
        for row, count in enumerate(counts)
    ]

    found = embed(bundle, iter(examples))

    assert np.repeat(np.arange(70), counts).tolist() == found.owners.tolist()
    assert (70, sum(counts)) == (len(found.images), len(found.texts)) == (len(found.images), len(found.labels))
    assert 0 == found.truncated


def test_embedding_is_the_bundles_own(tiny_bundle: Path) -> None:
    """The vectors are those that the bundle gives for the same bytes and texts: evaluation serves no other model."""
    bundle = Bundle.open(tiny_bundle)
    example = Example(_png((200, 30, 30)), ("a red thing",), ((),))

    found = embed(bundle, iter([example]))

    np.testing.assert_array_equal(bundle.embed_images(bundle.prepare(example.data)[None]), found.images)
    np.testing.assert_array_equal(bundle.embed_texts(example.captions).vectors, found.texts)


def test_cut_texts_are_counted(tiny_bundle: Path) -> None:
    """A caption beyond the context is evaluated as it is served, and counted."""
    bundle = Bundle.open(tiny_bundle)
    examples = [Example(_png((9, 9, 9)), ("red", "red " * 500), ((), ()))]

    assert 1 == embed(bundle, iter(examples)).truncated


def test_an_empty_data_set_is_an_error(tiny_bundle: Path) -> None:
    """Nothing to measure is said, not measured."""
    with pytest.raises(DatasetInvalid, match="empty"):
        embed(Bundle.open(tiny_bundle), iter([]))
