"""index.embed, with a bundle that has a proofreader: patches beside the vectors."""

from pathlib import Path

import numpy as np
import pytest

from index.collection import Collection
from index.embed import embed
from index.options import EmbedOptions
from index.sources import open_source
from models.bundle import Bundle
from models.errors import ProofreaderMissing
from models.proof_image import StoredImage
from models.proofreader import Proofreader
from tests.index.support import collection_for, counting, picture, run_job, stored_ids, write_pictures, write_table

WITHOUT = EmbedOptions(patches=False)


@pytest.fixture(scope="module")
def proofreader(proof_bundle: Path) -> Proofreader:
    """Of the small bundle."""
    return Proofreader.open(Bundle.open(proof_bundle))


def folder(root: Path, count: int = 5) -> Path:
    """*count* pictures."""
    write_pictures(root / "images", range(count))
    return root / "images"


def test_patches_are_stored_in_the_same_pass(tmp_path: Path, proof_bundle: Path, proofreader: Proofreader) -> None:
    """Each row gets vector and patches of its own picture from one graph; the plain image tower is not run."""
    bundle = counting(proof_bundle)
    collection = collection_for(bundle, tmp_path)
    summary = run_job(collection, open_source(str(folder(tmp_path))), bundle, EmbedOptions(image_batch=2))

    stored = collection.latest().patches(stored_ids(collection))
    assert ([], 5) == (bundle.batches, summary.embedded)
    assert 5 * proofreader.stored_bytes == summary.patch_bytes == sum(map(len, stored.values()))
    assert proofreader.stored_bytes <= 10_000
    for number in range(5):
        pixels = bundle.prepare(picture(number))[None]
        (expected,) = proofreader.encode_images(pixels)
        found = StoredImage.from_bytes(stored[f"{number:03d}.png"])
        # another place in a batch may round one step away
        np.testing.assert_allclose(expected.floats(), found.floats(), atol=2 * float(expected.scales.max()))
        (vector,) = bundle.embed_images(pixels)
        np.testing.assert_allclose(
            vector, collection.latest().vectors([f"{number:03d}.png"])[f"{number:03d}.png"], atol=2e-3
        )


def test_both_ways_to_a_vector_agree(proof_bundle: Path, proofreader: Proofreader) -> None:
    """The graph with patches gives the embedding of the graph without, within 1e-5."""
    bundle = Bundle.open(proof_bundle)
    pixels = np.stack([bundle.prepare(picture(number)) for number in range(8)])

    found = np.stack([image.embedding for image in proofreader.encode_images(pixels)])

    np.testing.assert_allclose(bundle.embed_images(pixels), found, atol=1e-5)


def test_a_second_run_computes_nothing(tmp_path: Path, proof_bundle: Path) -> None:
    """Rows that have their patches are unchanged: nothing is decoded, and no version is added."""
    bundle = counting(proof_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(folder(tmp_path)))
    run_job(collection, source, bundle)
    version = collection.latest().version
    bundle.start_counting()

    summary = run_job(Collection.open(tmp_path, "test"), source, bundle)

    assert (5, 0, 0) == (summary.unchanged, summary.embedded, bundle.prepared)
    assert version == collection.latest().version


def test_rows_that_lack_patches_get_them(tmp_path: Path, proof_bundle: Path) -> None:
    """A collection that was embedded without is completed by the same command, row by row, and keeps what it has."""
    bundle = counting(proof_bundle)
    collection = collection_for(bundle, tmp_path)
    rows = [{"path": f"images/{name}", "caption": "red"} for name in write_pictures(tmp_path / "images", range(5))]
    source = open_source(str(write_table(tmp_path / "t.jsonl", rows)))
    first = run_job(collection, source, bundle, WITHOUT)
    plain = collection.latest()
    assert (0, False) == (first.patch_bytes, plain.keeps_patches)
    vectors = plain.vectors(stored_ids(collection))

    second = run_job(Collection.open(tmp_path, "test"), source, bundle)
    third = run_job(Collection.open(tmp_path, "test"), source, bundle)

    after = collection.latest()
    # captions keep their vectors
    assert (5, 0, 5) == (second.embedded, second.captions, third.unchanged)
    assert set(stored_ids(collection)) == after.patches(stored_ids(collection)).keys()
    for item_id, vector in after.vectors(stored_ids(collection)).items():
        np.testing.assert_allclose(vectors[item_id], vector, atol=1e-3)


def test_new_captions_leave_the_patches(tmp_path: Path, proof_bundle: Path) -> None:
    """A row that is written anew for its captions keeps its patches, whether the job makes patches or not."""
    bundle = counting(proof_bundle)
    collection = collection_for(bundle, tmp_path)
    (name,) = write_pictures(tmp_path / "images", range(1))

    def index(caption: str, options: EmbedOptions | None = None) -> dict[str, bytes]:
        table = write_table(tmp_path / "t.jsonl", [{"path": f"images/{name}", "caption": caption}])
        run_job(Collection.open(tmp_path, "test"), open_source(str(table)), bundle, options)
        return collection.latest().patches(stored_ids(collection))

    before = index("red")
    assert before == index("green") == index("blue", WITHOUT)
    assert 1 == bundle.prepared


def test_another_picture_has_other_patches(tmp_path: Path, proof_bundle: Path) -> None:
    """New bytes under a known id replace the patches, or take them away where none are made: never the old ones."""
    bundle = Bundle.open(proof_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(folder(tmp_path, 2)))
    run_job(collection, source, bundle)
    before = collection.latest().patches(["000.png", "001.png"])

    (tmp_path / "images" / "000.png").write_bytes(picture(99))
    run_job(Collection.open(tmp_path, "test"), source, bundle)
    changed = collection.latest().patches(["000.png", "001.png"])
    (tmp_path / "images" / "000.png").write_bytes(picture(100))
    run_job(Collection.open(tmp_path, "test"), source, bundle, WITHOUT)

    assert before["000.png"] != changed["000.png"]
    assert before["001.png"] == changed["001.png"]
    assert {"001.png": before["001.png"]} == collection.latest().patches(["000.png", "001.png"])


def test_patches_need_a_proofreader(tmp_path: Path, tiny_bundle: Path) -> None:
    """Asked for of a bundle that has none they are refused before anything is read; by default there are just none."""
    bundle = Bundle.open(tiny_bundle)
    collection = collection_for(bundle, tmp_path)
    source = open_source(str(folder(tmp_path, 1)))

    with pytest.raises(ProofreaderMissing):
        embed(collection, source, bundle, EmbedOptions(patches=True))

    assert 0 == run_job(collection, source, bundle).patch_bytes
    assert not collection.latest().keeps_patches
