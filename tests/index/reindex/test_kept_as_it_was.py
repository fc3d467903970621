"""What a change of models leaves as it is: the times at which videos are taken, and what the index is made for."""

from dataclasses import replace
from pathlib import Path

import pytest

from index.embed import embed
from index.options import EmbedOptions
from index.plan import Budget
from index.publish import ALIAS, publish, wishes
from index.reindex.garbage import collect
from index.samplings import SAMPLINGS_FILE, note_samplings, noted_samplings
from index.sources import open_source
from index.videos import VideoOptions
from models.bundle import Bundle
from models.video.sampling import Sampling
from tests.index.reindex.support import EMBEDDING, OPTIONS, back, change, make_home, opened, run
from tests.support.videos import colour_video

HALF, SELDOM = Sampling(every=0.5), Sampling(every=2.0)


@pytest.fixture
def home(tmp_path: Path, models: tuple[Path, Path]) -> Path:
    """Eight pictures, embedded by the first bundle."""
    return make_home(tmp_path, models, shades=1)


def film(home: Path, name: str, sampling: Sampling | None, model: str = "old") -> None:
    """Index a film of four seconds, taken so; None = as videos are usually taken."""
    folder = home / name
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.mp4").write_bytes(colour_video("red", "blue"))
    videos = VideoOptions() if sampling is None else VideoOptions(sampling)
    options = EmbedOptions(image_batch=4, videos=videos)
    with embed(opened(home), open_source(str(folder)), Bundle.open(home / "bundles" / model), options) as job:
        list(job)


def moments(home: Path) -> dict[str, list[float]]:
    """Seconds of the moments of each served video."""
    collection = opened(home)
    videos = [record for record in collection.first(100) if record.video is not None]
    found = {record.id: collection.moments.of(record) for record in videos}
    return {item_id: rows.seconds.tolist() for item_id, rows in found.items() if rows is not None}


def test_each_video_keeps_its_times(home: Path) -> None:
    """Videos of several builds are taken by the new model at the very seconds of the old one, and by the next one too."""
    film(home, "usual", None)
    film(home, "half", HALF)
    film(home, "seldom", SELDOM)
    publish(opened(home))
    before = moments(home)
    assert [2, 4, 8] == sorted(map(len, before.values()))

    run(change(home))

    assert (opened(home).info.bundle_name, before) == ("new", moments(home))
    assert noted_samplings(opened(home).path) == [Sampling(), HALF, SELDOM]
    run(back(home))
    assert (opened(home).info.bundle_name, before) == ("old", moments(home))


def test_a_second_look_decodes_nothing(home: Path) -> None:
    """A change that was stopped before its end finds the moments that it made, whatever their times."""
    film(home, "half", HALF)
    publish(opened(home))
    steps = change(home)
    with steps:
        for step in steps:
            if step.doing == "publishing":
                break

    followed = change(home)
    with followed:
        doing = [step.doing for step in followed]

    assert "checking" in doing
    assert 8 == len(moments(home)["half.mp4"])
    assert followed.report is not None and 0 == followed.report.embedded


def test_a_film_that_comes_meanwhile_keeps_its_times(home: Path) -> None:
    """What is indexed beside the change, in a way that nobody used before, is brought over as it is."""
    film(home, "usual", None)
    publish(opened(home))
    steps, came = change(home), False
    with steps:
        for step in steps:
            if step.doing == "checking" and not came:
                came = True
                film(home, "half", HALF)

    assert ("new", 4, 8) == (
        opened(home).info.bundle_name,
        *(len(moments(home)[f"{each}.mp4"]) for each in ("usual", "half")),
    )


def test_options_take_all_videos_anew(home: Path) -> None:
    """Where the change says at which times, all videos are taken so, and the generation after it keeps to that."""
    film(home, "usual", None)
    film(home, "half", HALF)
    publish(opened(home))
    anew = replace(OPTIONS, same_moments=False, embedding=replace(EMBEDDING, videos=VideoOptions(SELDOM)))

    run(change(home, options=anew))

    assert {"usual.mp4": 2, "half.mp4": 2} == {item_id: len(each) for item_id, each in moments(home).items()}
    assert [Sampling(), SELDOM] == noted_samplings(opened(home).path)


def test_the_note_goes_with_its_generation(home: Path) -> None:
    """Where the first generation is removed, nothing of it stays in the folder that all share."""
    note_samplings(opened(home).path, [HALF])
    run(change(home))

    collect(opened(home).home, keep=1)

    assert not (opened(home).home / SAMPLINGS_FILE).exists()
    assert (opened(home).path / SAMPLINGS_FILE).is_file()


def test_the_index_is_made_for_what_the_served_one_was(home: Path) -> None:
    """Recall, memory, latency and kind that were wanted of the old model's index are wanted of the new one's."""
    budget = Budget(kind="hnsw-sq8", memory=10_000_000, latency_ms=50.0)
    publish(opened(home), target_recall=0.9, budget=budget)

    run(change(home))

    assert (0.9, budget) == wishes(opened(home).path)


def test_options_decide_over_what_was(home: Path) -> None:
    """A recall or a budget that is given replaces the served one's, the other stays."""
    publish(opened(home), target_recall=0.9, budget=Budget(kind="hnsw-fp16"))

    run(change(home, options=replace(OPTIONS, recall=0.8)))
    assert (0.8, Budget(kind="hnsw-fp16")) == wishes(opened(home).path)

    run(change(home, "old", replace(OPTIONS, budget=Budget(kind="hnsw-sq8"))))
    assert (0.8, Budget(kind="hnsw-sq8")) == wishes(opened(home).path)


def test_an_older_index_is_used_where_it_is_what_is_wanted_now(home: Path) -> None:
    """Going back uses the older generation's index, unless something else was wanted of the newer one's since."""
    publish(opened(home), target_recall=0.9)
    first = (opened(home).path / ALIAS).read_text()
    run(change(home))
    run(back(home))
    assert ("old", first) == (opened(home).info.bundle_name, (opened(home).path / ALIAS).read_text())

    run(back(home))
    publish(opened(home), budget=Budget(kind="hnsw-sq8"))
    run(back(home))

    assert "old" == opened(home).info.bundle_name
    assert (0.9, Budget(kind="hnsw-sq8")) == wishes(opened(home).path)
