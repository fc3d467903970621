"""Corpora in memory and on disk."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.scenes.corpus import example, generate, write_jsonl, write_webdataset
from models.sealed import STAGING_PREFIX


def test_equal_seeds_make_equal_examples_in_every_process() -> None:
    """An example is determined by split, seed, number and size, also in another process."""
    script = (
        "import hashlib; from models.scenes.corpus import example; e = example('test', 7, 3);"
        "print(hashlib.sha256(e.image.tobytes() + repr((e.captions, e.negatives)).encode()).hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }

    assert 1 == len(runs)
    assert np.array_equal(example("test", 7, 3).image, list(generate("test", 8, 3))[7].image)


def test_another_seed_is_another_corpus() -> None:
    """Seeds share no example."""
    first = {made.captions for made in generate("train", 30, 0, 64)}
    second = {made.captions for made in generate("train", 30, 1, 64)}

    assert not first & second


def test_jsonl_is_whole(tmp_path: Path) -> None:
    """Each line names a picture that is there, five captions, boxes and negatives."""
    made = list(write_jsonl(tmp_path, "val", 5, seed=0))

    rows = [json.loads(line) for line in (tmp_path / "val.jsonl").read_text().splitlines()]
    assert [each.id for each in made] == [row["id"] for row in rows]
    for row, each in zip(rows, made, strict=True):
        assert np.array_equal(each.image, np.asarray(Image.open(tmp_path / row["path"])))
        assert list(each.captions) == row["captions"]
        assert len(each.scene.objects) == len(row["objects"])
        assert all(4 == len(item["box"]) for item in row["objects"])
        assert row["negatives"]


def test_a_stopped_corpus_has_no_jsonl(tmp_path: Path) -> None:
    """Until the last picture is written there is no JSONL; run again, it is whole."""
    writing = write_jsonl(tmp_path, "val", 5, seed=0)
    next(writing)
    writing.close()
    assert not (tmp_path / "val.jsonl").exists()

    list(write_jsonl(tmp_path, "val", 5, seed=0))
    assert 5 == len((tmp_path / "val.jsonl").read_text().splitlines())


def test_shards_follow_webdataset(tmp_path: Path) -> None:
    """A shard holds KEY.png and KEY.json side by side, in order; shards are cut at the given rows."""
    made = list(write_webdataset(tmp_path, "test", 5, seed=0, shard_rows=3))

    names = sorted(path.name for path in tmp_path.iterdir())
    assert ["test-00000.tar", "test-00001.tar"] == names
    keys: list[str] = []
    for name in names:
        with tarfile.open(tmp_path / name) as tar:
            members = tar.getmembers()
            for picture, text in zip(members[::2], members[1::2], strict=True):
                assert picture.name.removesuffix(".png") == text.name.removesuffix(".json")
                keys.append(picture.name.removesuffix(".png"))
                Image.open(io.BytesIO(tar.extractfile(picture).read())).verify()
                assert 5 == len(json.loads(tar.extractfile(text).read())["captions"])
    assert [each.id for each in made] == keys


def test_equal_seeds_make_equal_shards(tmp_path: Path) -> None:
    """Two shards of one seed are the same bytes."""
    for folder in ("a", "b"):
        list(write_webdataset(tmp_path / folder, "test", 2, seed=0))

    assert (tmp_path / "a/test-00000.tar").read_bytes() == (tmp_path / "b/test-00000.tar").read_bytes()


@pytest.mark.parametrize("write", [write_jsonl, write_webdataset])
def test_nothing_unfinished_is_left(write: object, tmp_path: Path) -> None:
    """After a whole run no staging file is left."""
    assert callable(write)
    list(write(tmp_path, "val", 2, seed=0))

    assert not list(tmp_path.rglob(f"{STAGING_PREFIX}*"))
