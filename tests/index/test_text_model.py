"""Another text tower answers for a collection."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.collection import Collection
from index.embed import embed
from index.errors import BundleMismatch, CollectionInvalid, CollectionTooNew
from index.options import EmbedOptions
from index.publish import publish
from index.searcher import Searcher
from index.sources import open_source
from index.text_model import TEXT_MODEL_FILE, TextModel, choose_text_model, chosen, text_model
from models.bundle import Bundle
from models.manifest import read_manifest
from tests.index.support import run_job, write_pictures
from tests.support.collections import make_colours
from tests.support.german_bundle import make_german
from tests.support.tiny_bundle import make_tiny_bundle


@pytest.fixture
def colours(tmp_path: Path, tiny_bundle: Path) -> Collection:
    """Pictures in eight colours, embedded by the tiny bundle and published."""
    make_colours(tmp_path, tiny_bundle)
    return Collection.open(tmp_path / "collections", "colours")


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """The tiny bundle with another text side."""
    return make_german(tiny_bundle, tmp_path_factory.mktemp("bundles") / "german")


def _choose(collection: Collection, own: Path, other: Path) -> None:
    choose_text_model(collection.path, collection.info, read_manifest(own), read_manifest(other))


def _first(collection: Collection, bundle: Path, text: str) -> str:
    searcher = Searcher.open(collection.path.parent, collection.info.name)
    vectors = Bundle.open(bundle).embed_texts([text]).vectors
    return searcher.search(vectors, [1], "images")[0][0].id.split("-")[0]


def test_a_collection_is_answered_by_its_own_bundle(colours: Collection, tiny_bundle: Path) -> None:
    """Without a choice the bundle that embedded a collection embeds its queries."""
    searcher = Searcher.open(colours.path.parent, "colours")

    assert (None, read_manifest(tiny_bundle).digest()) == (chosen(colours.path), searcher.text_model.bundle_digest)


def test_another_text_tower_searches_the_vectors_that_are_there(
    colours: Collection, tiny_bundle: Path, german: Path
) -> None:
    """What is stored stays as it is, to the byte; the other bundle's words find it, and the choice is what readers see."""
    before = {path: path.read_bytes() for path in colours.path.rglob("*") if path.is_file()}

    _choose(colours, tiny_bundle, german)

    assert {path: path.read_bytes() for path in before} == before
    searcher = Searcher.open(colours.path.parent, "colours")
    assert ("german", Bundle.open(german).digest) == (
        searcher.text_model.bundle_name,
        searcher.text_model.bundle_digest,
    )
    assert ["red", "blue"] == [_first(colours, german, word) for word in ("rot", "blau")]
    assert "red" == _first(colours, tiny_bundle, "red") != _first(colours, tiny_bundle, "rot")


def test_the_choice_is_taken_back_by_the_own_bundle(colours: Collection, tiny_bundle: Path, german: Path) -> None:
    """Choosing the bundle that embedded the collection leaves it as if there had been no choice."""
    files = sorted(colours.path.iterdir())
    _choose(colours, tiny_bundle, german)

    _choose(colours, tiny_bundle, tiny_bundle)
    _choose(colours, tiny_bundle, tiny_bundle)

    assert files == sorted(colours.path.iterdir())
    assert "tiny" == text_model(colours.path, colours.info).bundle_name


def test_a_bundle_of_another_space_is_refused(colours: Collection, tiny_bundle: Path, tmp_path: Path) -> None:
    """A bundle that gives images other vectors is named with both spaces, and nothing is chosen."""
    stranger = make_tiny_bundle(tmp_path / "stranger", seed=5)

    with pytest.raises(BundleMismatch, match="stranger gives images other vectors"):
        _choose(colours, tiny_bundle, stranger)
    assert chosen(colours.path) is None


def test_spaces_are_compared_with_the_bundle_that_embedded_it(
    colours: Collection, german: Path, tmp_path: Path
) -> None:
    """Two strangers of one space are no reason: the bundle that is compared with must be the collection's."""
    stranger = make_tiny_bundle(tmp_path / "stranger", seed=5)

    with pytest.raises(BundleMismatch, match="not by stranger"):
        _choose(colours, stranger, stranger)


def test_pictures_are_added_by_either_bundle(colours: Collection, tiny_bundle: Path, german: Path) -> None:
    """Once chosen, the other bundle embeds as the own one does: the same vectors for the same pictures, and both go on."""
    names = write_pictures(colours.path.parent / "new", range(3))
    _choose(colours, tiny_bundle, german)
    source = open_source(str(colours.path.parent / "new"))

    assert 3 == run_job(colours, source, Bundle.open(german)).embedded

    assert 3 == run_job(colours, source, Bundle.open(tiny_bundle)).unchanged
    own = Bundle.open(tiny_bundle)
    stored = colours.latest().vectors(names)
    for name in names:
        data = (colours.path.parent / "new" / name).read_bytes()
        np.testing.assert_allclose(own.embed_images(own.prepare(data)[None])[0], stored[name], atol=1e-3)
    # what was added is published, and found by its own vector: the canaries of publishing hold
    assert 27 == publish(colours.latest()).images.rows


def test_no_bundle_embeds_that_was_not_chosen(colours: Collection, german: Path) -> None:
    """A bundle of the right space is refused by the job until somebody chose it: spaces are compared in one place."""
    with pytest.raises(BundleMismatch, match="vectors of two models"):
        embed(colours, open_source(str(colours.path)), Bundle.open(german))


def test_patches_are_the_own_bundles(colours: Collection, tiny_bundle: Path, german: Path) -> None:
    """What a proofreader reads is made by the bundle that embedded the collection, or not at all."""
    _choose(colours, tiny_bundle, german)

    with pytest.raises(BundleMismatch, match="keeps what the proofreader of bundle tiny reads"):
        embed(colours, open_source(str(colours.path)), Bundle.open(german), EmbedOptions(patches=True))


@given(junk=st.binary(max_size=40))
def test_a_damaged_choice_is_told(junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever bytes stand in the file, it is read whole, or named with what to do."""
    folder = tmp_path_factory.mktemp("collection")
    (folder / TEXT_MODEL_FILE).write_bytes(junk)

    with pytest.raises(CollectionInvalid, match=r"text-model\.json is damaged: remove it"):
        chosen(folder)


def test_a_newer_choice_is_told(tmp_path: Path) -> None:
    """A schema of tomorrow, with fields that nobody knows today, asks for an upgrade."""
    choice = TextModel(bundle_digest="0" * 64, bundle_name="x").model_dump() | {"schema_version": 2, "language": "de"}
    (tmp_path / TEXT_MODEL_FILE).write_text(json.dumps(choice))

    with pytest.raises(CollectionTooNew, match="schema 2, this ViLEM reads up to 1"):
        chosen(tmp_path)
