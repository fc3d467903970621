"""Data sets in a bundle's space."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import BundleInvalid
from models.evaluation.dataset import DatasetInvalid, Edit, Entry
from models.evaluation.embed import embed
from tests.models.evaluation.made import colours, picture, reader


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, opened once."""
    return Bundle.open(tiny_bundle)


def test_owners_follow_uneven_captions(bundle: Bundle) -> None:
    """Each text's owner is the row of its image, however many captions the images have, across batches."""
    counts = [row % 4 for row in range(70)]
    entries = [
        Entry(str(row), reader(picture((row, 0, 0))), tuple(f"red {number}" for number in range(count)))
        for row, count in enumerate(counts)
    ]

    found = embed(bundle, entries)

    assert np.repeat(np.arange(70), counts).tolist() == found.owners.tolist()
    assert (70, sum(counts)) == (len(found.images), len(found.texts))
    assert [()] * sum(counts) == found.labels
    assert 0 == found.truncated


def test_embedding_is_the_bundles_own(bundle: Bundle) -> None:
    """The vectors are those that the bundle gives for the same bytes and texts: evaluation serves no other model."""
    data = picture((200, 30, 30))

    found = embed(bundle, [Entry("a", reader(data), ("a red circle",))])

    np.testing.assert_array_equal(bundle.embed_images(bundle.prepare(data)[None]), found.images)
    np.testing.assert_array_equal(bundle.embed_texts(["a red circle"]).vectors, found.texts)


def test_labels_follow_their_captions(bundle: Bundle) -> None:
    """The groups of every caption stand at its row."""
    found = embed(bundle, colours(3).entries)

    assert [("short", "all"), ("long", "all")] * 3 == found.labels


def test_edits_know_their_caption_and_image(bundle: Bundle) -> None:
    """An edit's rows name the image and the true text that it was made from."""
    found = embed(bundle, colours(4).entries, edits=True).edits

    assert [0, 1, 2, 3] == found.images.tolist()
    assert [1, 3, 5, 7] == found.texts.tolist()
    assert (["colour"] * 4, [("bright",)] * 4) == (found.kinds, found.groups)
    np.testing.assert_array_equal(bundle.embed_texts(["a green picture"]).vectors[0], found.vectors[0])


def test_edits_cost_nothing_where_nobody_asks(bundle: Bundle) -> None:
    """Without edits no false text is embedded, and the arrays are empty but of the right width."""
    found = embed(bundle, colours(4).entries).edits

    assert (0, 16) == found.vectors.shape
    assert [] == found.kinds


def test_cut_texts_are_counted(bundle: Bundle) -> None:
    """A caption or an edit beyond the context is evaluated as it is served, and counted."""
    entry = Entry("a", reader(picture((9, 9, 9))), ("red", "red " * 500), (), (Edit("blue " * 500, 0, "k"),))

    assert 1 == embed(bundle, [entry]).truncated
    assert 2 == embed(bundle, [entry], edits=True).truncated


def test_nothing_is_an_error(bundle: Bundle) -> None:
    """There are no vectors of no pictures."""
    with pytest.raises(ValueError, match="nothing to embed"):
        embed(bundle, [])


def test_a_damaged_picture_is_an_error(bundle: Bundle) -> None:
    """A picture that does not decode stops the measurement, by name: a figure of fewer pictures would be another one."""
    good = Entry("good", reader(picture((1, 2, 3))), ("red",))

    with pytest.raises(DatasetInvalid, match="picture 'bad'"):
        embed(bundle, [good, Entry("bad", reader(b"no picture"), ("red",))])


@pytest.mark.parametrize("tower", ["embed_images", "embed_texts"])
def test_a_diverged_model_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tower: str) -> None:
    """Vectors that are not finite have no ranks worth a report: the bundle is named instead."""
    good = getattr(bundle, tower)

    def broken(given: Any) -> Any:  # noqa: ANN401 # pixels or texts
        made = good(given)
        return replace(made, vectors=made.vectors * np.nan) if tower == "embed_texts" else made * np.inf

    monkeypatch.setattr(bundle, tower, broken)

    with pytest.raises(BundleInvalid, match="tiny gives vectors that are not finite"):
        embed(bundle, colours(2).entries)


CHANGES: list[Callable[[Entry], Entry]] = [
    lambda entry: replace(entry, id="other"),
    lambda entry: replace(entry, read=reader(picture((1, 2, 3)))),
    lambda entry: replace(entry, captions=("a red dog", *entry.captions[1:])),
    lambda entry: replace(entry, edits=(Edit("a cat", 1, "colour"),)),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_sees_every_change(bundle: Bundle, change: Callable[[Entry], Entry]) -> None:
    """Another id, picture, caption or edit is other data."""
    first, *others = colours(3).entries

    before = embed(bundle, [first, *others], edits=True).digest
    after = embed(bundle, [change(first), *others], edits=True).digest

    assert before != after


def test_the_digest_is_of_the_data_and_not_of_the_model(bundle: Bundle) -> None:
    """Equal data in equal order has an equal digest; another order is other data; edits that were not asked for do not count."""
    entries = colours(3).entries

    assert embed(bundle, entries).digest == embed(bundle, iter(entries)).digest
    assert embed(bundle, entries).digest != embed(bundle, entries[::-1]).digest
    assert embed(bundle, entries).digest == embed(bundle, [replace(each, edits=()) for each in entries]).digest
