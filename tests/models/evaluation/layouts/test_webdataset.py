"""WebDataset shards."""

from pathlib import Path

import pytest

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.files import Options
from models.evaluation.layouts.jsonl import load as load_jsonl
from models.evaluation.layouts.webdataset import load
from models.scenes.corpus import write_jsonl, write_webdataset
from tests.models.evaluation.made import picture, sample
from tests.support.data import real_data, write_tar


def test_a_sample_is_a_picture_with_its_captions(tmp_path: Path) -> None:
    """KEY.jpg and KEY.json make one entry, in the order of the pictures; the bytes are those in the tar."""
    shard = write_tar(tmp_path / "a.tar", [*sample("k1", "one", "two"), *sample("k0", "three")])

    found = load(shard, Options())

    assert [("k1", ("one", "two")), ("k0", ("three",))] == [(each.id, each.captions) for each in found.entries]
    assert picture((9, 9, 9), form="JPEG") == found.entries[1].read()


def test_members_may_stand_in_any_order(tmp_path: Path) -> None:
    """Captions before the picture, or far from it, are still its captions; other members are passed over."""
    one, two = sample("a", "one"), sample("b", "two")
    shard = write_tar(tmp_path / "a.tar", [one[1], ("a.cls", b"3"), two[0], ("readme", b""), one[0], two[1]])

    assert [("b", ("two",)), ("a", ("one",))] == [(each.id, each.captions) for each in load(shard, Options()).entries]


@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".AVIF"])
def test_pictures_may_have_any_format_that_is_read(tmp_path: Path, suffix: str) -> None:
    """What the decoder reads is a picture by its suffix, and does not vanish."""
    shard = write_tar(tmp_path / "a.tar", [(f"k{suffix}", b"some"), ("k.txt", b"one")])

    assert ["k"] == [each.id for each in load(shard, Options()).entries]


def test_a_name_with_dots_does_not_vanish(tmp_path: Path) -> None:
    """A key ends at the first dot: more pictures of a sample are passed over, and one that would be of none is told, with what to call it."""
    more = write_tar(tmp_path / "a.tar", [*sample("k", "one"), ("k.depth.png", b"more")])
    lost = write_tar(tmp_path / "b.tar", [*sample("k", "one"), ("c.v1.png", picture((1, 2, 3))), ("c.v1.json", b"{}")])

    assert ["k"] == [each.id for each in load(more, Options()).entries]
    with pytest.raises(DatasetInvalid, match=r"c\.v1\.png belongs to no sample, .*: write c_v1\.png"):
        load(lost, Options())


@pytest.mark.parametrize("name", ["k.jpg", "k.png", "k.json", "k.txt"])
def test_a_key_stands_once_in_a_shard(tmp_path: Path, name: str) -> None:
    """A second picture, or second captions, would take the place of the first, or its pair: it is refused by its name."""
    members = [*sample("k", "one"), *([("k.txt", b"two")] if name == "k.txt" else []), (name, picture((1, 2, 3)))]
    shard = write_tar(tmp_path / "a.tar", members)

    with pytest.raises(DatasetInvalid, match=r"a\.tar: k has more than one (picture|\.json|\.txt)"):
        load(shard, Options())


def test_one_shard_has_no_splits(tmp_path: Path) -> None:
    """Asked for a part of a single shard, it is refused: the same pictures would be trained on and measured."""
    shard = write_tar(tmp_path / "a.tar", sample("k", "one"))

    with pytest.raises(
        DatasetInvalid, match=r"a\.tar is one shard, and has no split 'val': name the folder of val\*\.tar"
    ):
        load(shard, Options(split="val"))


def test_a_folder_is_all_its_shards(tmp_path: Path) -> None:
    """Shards come by name; keys that begin anew in each stay apart."""
    for name in ("val-001", "val-000", "train-000"):
        write_tar(tmp_path / f"{name}.tar", sample("0", name))

    everything, val = load(tmp_path, Options()), load(tmp_path, Options(split="val"))

    assert ["train-000/0", "val-000/0", "val-001/0"] == [each.id for each in everything.entries]
    assert (["val-000/0", "val-001/0"], "val") == ([each.id for each in val.entries], val.split)


def test_all_captions_count(tmp_path: Path) -> None:
    """There is no convention of five here: all captions count, unless a number is asked for."""
    shard = write_tar(tmp_path / "a.tar", sample("k", *"abcdefg"))

    assert (7, 2) == tuple(len(load(shard, Options(captions=n)).entries[0].captions) for n in (None, 2))


def test_fields_of_other_makers_do_not_matter(tmp_path: Path) -> None:
    """A record may hold anything beside its captions, by whatever names."""
    shard = write_tar(tmp_path / "a.tar", sample("k", "one", objects={"dog": 1}, held_back="no", split="val"))

    found = load(shard, Options())

    assert ((), ()) == (found.entries[0].labels, found.entries[0].edits)


def test_scenes_are_the_same_from_tar_and_jsonl(tmp_path: Path) -> None:
    """Both formats of `vilem scenes make` are one data set: pictures, captions, groups and edits."""
    list(write_jsonl(tmp_path, "test", 3, seed=3))
    list(write_webdataset(tmp_path, "test", 3, seed=3))

    one, other = load_jsonl(tmp_path / "test.jsonl", Options()), load(tmp_path / "test-00000.tar", Options())

    assert one.entries == other.entries
    assert [each.read() for each in one.entries] == [each.read() for each in other.entries]
    assert any(each.edits for each in one.entries)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (sample("k", "one")[:1], "k has no k.json with captions"),
        (sample("k", "one")[1:], "k has no k.jpg"),
        (sample("k"), "no captions"),
        ([sample("k", "one")[0], ("k.json", b"{")], "JSONDecodeError"),
        ([sample("k", "one")[0], ("k.json", b'{"caption": "one"}')], "captions: Field required"),
        ([sample("k", "one")[0], ("k.json", b'["one"]')], "expected"),
        ([sample("k", "one")[0], ("k.json", b" " * (1 << 20) + b"{}")], "captions have at most 1,048,576"),
    ],
)
def test_a_broken_sample_is_named(tmp_path: Path, members: list[tuple[str, bytes]], why: str) -> None:
    """The message names the shard, the key and the fault."""
    shard = write_tar(tmp_path / "a.tar", members)

    with pytest.raises(DatasetInvalid, match=r"a\.tar") as caught:
        load(shard, Options())

    assert why in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_a_damaged_shard_is_named(tmp_path: Path, content: bytes) -> None:
    """What is no tar, a compressed one included, is told with what was expected."""
    (tmp_path / "a.tar").write_bytes(content)

    with pytest.raises(DatasetInvalid, match=r"a\.tar"):
        load(tmp_path / "a.tar", Options())


@pytest.mark.parametrize("blocks", [2, 3, 5, 6, 7, 8])
def test_a_cut_shard_is_told(tmp_path: Path, blocks: int) -> None:
    """Wherever a copy stopped, between members too, it is no smaller data set."""
    shard = write_tar(tmp_path / "a.tar", [*sample("a", "one"), *sample("b", "two")])
    whole = shard.read_bytes()
    used = len(whole.rstrip(b"\0")) // 512 + 1
    shard.write_bytes(whole[: 512 * min(blocks, used)])

    with pytest.raises(DatasetInvalid, match=r"a\.tar"):
        load(shard, Options())


def test_a_folder_without_shards_says_what_it_looked_for(tmp_path: Path) -> None:
    """A split without shards names the pattern."""
    write_tar(tmp_path / "train-000.tar", sample("0", "one"))

    with pytest.raises(DatasetInvalid, match=r"there is no val\*\.tar in"):
        load(tmp_path, Options(split="val"))


def test_real_photographs_are_read() -> None:
    """Flickr8k's validation shard: 1,000 photographs with five captions each, every one a JPEG file."""
    found = load(real_data("flickr8k", "val-000.tar"), Options())

    assert (1000, {5}) == (len(found.entries), {len(each.captions) for each in found.entries})
    assert all(each.read().startswith(b"\xff\xd8") for each in found.entries[::250])


def test_captions_may_be_lines_of_text(tmp_path: Path) -> None:
    """KEY.txt gives a caption a line; where a JSON stands beside it, the JSON counts."""
    one, two = sample("a", "json"), sample("b", "json")
    shard = write_tar(tmp_path / "a.tar", [one[0], ("a.txt", b"first\n\n second \n"), *two, ("b.txt", b"text")])

    assert [("a", ("first", "second")), ("b", ("json",))] == [
        (each.id, each.captions) for each in load(shard, Options()).entries
    ]


def test_a_text_of_its_own_is_passed_over(tmp_path: Path) -> None:
    """A README.txt or a licence beside the samples is no sample, and no reason to refuse them."""
    one, _ = sample("a", "one")
    shard = write_tar(tmp_path / "a.tar", [("README.txt", b"\xff"), one, ("a.txt", b"one"), ("docs/licence.txt", b"")])

    assert [("a", ("one",))] == [(each.id, each.captions) for each in load(shard, Options()).entries]


@pytest.mark.parametrize(("text", "why"), [(b" \n", "no captions"), (b"\xff", "no UTF-8 text")])
def test_text_without_captions_is_named(tmp_path: Path, text: bytes, why: str) -> None:
    """An empty or unreadable text file is named with its fault."""
    shard = write_tar(tmp_path / "a.tar", [sample("k", "one")[0], ("k.txt", text)])

    with pytest.raises(DatasetInvalid, match=rf"k\.txt: .*{why}"):
        load(shard, Options())
