"""Bringing one generation up to date with another."""

from datetime import timedelta
from pathlib import Path

import pytest

from index.collection import Collection
from index.generations import next_id, serve
from index.lease import turn
from index.reindex import in_step
from index.reindex.follow import Follower
from index.rows import Entry
from index.schema import Record
from index.versions import remove_old_versions
from models.bundle import Bundle
from tests.index.reindex.support import EMBEDDING, make_home, opened
from tests.index.support import CountingBundle, counting, live_captions, picture, stored_ids


@pytest.fixture
def home(tmp_path: Path, models: tuple[Path, Path]) -> Path:
    """Eight pictures, embedded by the first bundle."""
    return make_home(tmp_path, models, shades=1)


def empty_target(home: Path, bundle: Bundle) -> Collection:
    """A generation of that bundle without rows."""
    served = opened(home)
    return served.create_generation(
        next_id(served.home, bundle.digest),
        dim=bundle.manifest.dim,
        bundle_digest=bundle.digest,
        bundle_name=bundle.manifest.name,
    )


def follow(home: Path, models: tuple[Path, Path]) -> tuple[Follower, Collection, CountingBundle]:
    """A follower of the served collection into a new generation, and what it embeds."""
    bundle = counting(models[1])
    target = empty_target(home, bundle)
    return Follower(opened(home), target, bundle, EMBEDDING), target, bundle


def caught_up(follower: Follower) -> None:
    """Bring over all that is lacking."""
    lacking = follower.behind()
    assert lacking is not None
    list(follower.catch_up(lacking))


def put(home: Path, item_id: str, number: int, captions: tuple[str, ...] = ("red",)) -> None:
    """Write an item with a picture of that number to the served collection; its vector does not matter."""
    path = home / f"{number}.png"
    path.write_bytes(picture(number))
    collection = opened(home)
    vector = next(iter(collection.vectors([collection.first(1)[0].id]).values()))
    record = Record(item_id, path.as_uri(), f"{number:064d}", 48, 40, captions, {"number": number})
    collection.add([Entry(record, vector, vector[None].repeat(len(captions), axis=0))])


def expect_alike(home: Path, target: Collection) -> None:
    """The target has the served items, with their captions and metadata, and nothing else."""
    served = opened(home)
    assert stored_ids(served) == stored_ids(target)
    records = {record.id: (record.captions, record.metadata) for record in served.first(1_000)}
    assert records == {record.id: (record.captions, record.metadata) for record in target.latest().first(1_000)}
    assert live_captions(served) == live_captions(target)


def test_all_is_brought_over_and_then_what_changes(home: Path, models: tuple[Path, Path]) -> None:
    """After a first pass only what is written costs an inference, and what is removed goes."""
    follower, target, bundle = follow(home, models)
    list(follower.begin())
    expect_alike(home, target)
    assert (8, 8) == (len(bundle.pixels), follower.embedded)

    bundle.start_counting()
    put(home, "new", 70)
    put(home, "red-0", 71, ("other",))
    opened(home).delete(["blue-0", "green-0"])
    opened(home).delete(["new"])
    put(home, "new", 72, ("again", "and again"))
    caught_up(follower)

    expect_alike(home, target)
    assert 2 == len(bundle.pixels)
    lacking = follower.behind()
    assert lacking is not None
    assert 0 == len(lacking)


def test_captions_are_brought_over_without_their_pictures(home: Path, models: tuple[Path, Path]) -> None:
    """Another caption is embedded; the picture is neither read nor embedded again, and may be gone."""
    follower, target, bundle = follow(home, models)
    list(follower.begin())
    stored = opened(home).get("red-0")
    assert stored is not None
    collection = opened(home)
    vector = collection.vectors(["red-0"])["red-0"]
    record = Record("red-0", stored.uri, stored.sha256, 48, 40, ("crimson", "red"), {"said": "anew"})
    collection.add([Entry(record, vector, vector[None].repeat(2, axis=0))])
    (home / "pictures" / "red-0.png").unlink()
    bundle.start_counting()

    caught_up(follower)

    expect_alike(home, target)
    assert ([], ["crimson"]) == (bundle.pixels, bundle.texts)
    assert [] == follower.lost()


def test_a_second_follower_embeds_what_is_missing(home: Path, models: tuple[Path, Path]) -> None:
    """What an earlier run brought over is compared, not embedded; what went away meanwhile is removed."""
    follower, target, _ = follow(home, models)
    list(follower.begin())
    put(home, "new", 70)
    opened(home).delete(["blue-0"])
    bundle = counting(models[1])

    again = Follower(opened(home), target, bundle, EMBEDDING)
    list(again.begin())

    expect_alike(home, target)
    assert 1 == len(bundle.pixels)


def test_what_cannot_be_embedded_is_told_while_it_is_served(home: Path, models: tuple[Path, Path]) -> None:
    """An item whose picture is gone is lost; it is not any more once it is removed, or its picture is back."""
    picture_of_red, picture_of_blue = (home / "pictures" / f"{each}-0.png" for each in ("red", "blue"))
    data = picture_of_red.read_bytes()
    picture_of_red.unlink()
    picture_of_blue.write_bytes(b"no picture")
    follower, target, bundle = follow(home, models)

    list(follower.begin())
    assert [("blue-0", "not-an-image"), ("red-0", "missing-file")] == [
        (each.id, each.reason) for each in follower.lost()
    ]

    opened(home).delete(["blue-0"])
    caught_up(follower)
    assert ["red-0"] == [each.id for each in follower.lost()]

    picture_of_red.write_bytes(data)
    again = Follower(opened(home), target, bundle, EMBEDDING)
    list(again.begin())
    assert [] == again.lost()
    expect_alike(home, target)


def test_versions_that_were_cleaned_away_cost_a_comparison(home: Path, models: tuple[Path, Path]) -> None:
    """When it cannot be told what changed since, comparing everything brings it over all the same."""
    put(home, "newer than the snapshot", 69)
    follower, target, bundle = follow(home, models)
    list(follower.begin())
    opened(home).delete(["blue-0"])
    put(home, "new", 70)
    opened(home).items.optimize.compact_files()
    opened(home).items.cleanup_old_versions(older_than=timedelta(0), error_if_tagged_old_versions=False)
    bundle.start_counting()

    assert follower.behind() is None
    list(follower.compare_all())

    expect_alike(home, target)
    assert 1 == len(bundle.pixels)


def test_what_is_read_is_kept_until_it_was_read(home: Path, models: tuple[Path, Path]) -> None:
    """Old versions that are cleaned up in the middle of a pass leave it the one that it reads; afterwards that goes too."""
    # the snapshot's version is kept anyway
    put(home, "newer than the snapshot", 19)
    read = opened(home).items.version
    follower, target, _ = follow(home, models)

    def cleaned() -> list[int]:
        remove_old_versions(opened(home), timedelta(0))
        return [each["version"] for each in opened(home).items.versions()]

    passing = follower.begin()
    next(passing)
    put(home, "later", 20)
    put(home, "later still", 21)
    during = cleaned()
    list(passing)
    caught_up(follower)

    assert read in during
    assert read not in cleaned()
    assert stored_ids(target) == stored_ids(opened(home))


def test_going_back_needs_what_changed_since(home: Path, models: tuple[Path, Path]) -> None:
    """Two that were in step differ by what was written since; what could not come along when one took over stays."""
    (home / "pictures" / "red-0.png").unlink()
    follower, target, _ = follow(home, models)
    list(follower.begin())
    with turn(target.home):
        follower.note_in_step()
        serve(target.home, target.generation)
    put(home, "new", 70)
    opened(home).delete(["blue-0"])
    old = counting(models[0])
    first = Collection.open(home / "collections", "colours", generation="g0")

    noted = Follower(opened(home), first, old, EMBEDDING)
    list(noted.begin())
    assert 0 == noted.embedded
    caught_up(noted)
    assert 1 == noted.embedded == len(old.pixels)
    assert {*stored_ids(opened(home)), "red-0"} == set(stored_ids(first))

    # without the note everything is compared, to the same end
    in_step.forget(opened(home).path)
    compared = Follower(opened(home), first, old, EMBEDDING)
    list(compared.begin())
    assert 0 == compared.embedded
    assert {*stored_ids(opened(home)), "red-0"} == set(stored_ids(first))


def test_the_time_it_takes_grows_with_what_is_lacking(home: Path, models: tuple[Path, Path]) -> None:
    """Nothing takes no time; more items take more."""
    follower, _, _ = follow(home, models)
    list(follower.begin())
    estimates: list[float] = []
    for number in range(3):
        lacking = follower.behind()
        assert lacking is not None
        estimates.append(follower.seconds(lacking))
        put(home, f"new-{number}", number)

    assert 0 == estimates[0] < estimates[1] < estimates[2]
