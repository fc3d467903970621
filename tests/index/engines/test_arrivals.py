"""index.engines.arrivals: reports in any order, some twice, become each block once, in order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.engines.arrivals import Arrivals
from index.engines.blocks import BlockSource, Sizes, cut
from index.engines.staging import Staged
from index.errors import SourceError
from index.progress import Tally
from index.sources.item import SourceItem

SUMMARY = Tally().summary(captions=0, captions_truncated=0, version=1, finished=True)


def reports(part: int, blocks: int, prefix: str = "item") -> list[Staged]:
    """Reports of a part of so many blocks of two items each, and of its end."""
    items = [SourceItem(f"{prefix}-{number}", "file:///x.png") for number in range(2 * blocks)]
    return [Staged(replace(block, items=()), 1, SUMMARY) for block in cut(BlockSource(items), part, Sizes(2, 1))]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.data())
def test_each_block_once_and_in_order(sizes: list[int], data: st.DataObject) -> None:
    """Whatever comes twice and in whatever order: what is ready is a beginning of each part, and in the end all of it."""
    parts = [reports(part, size) for part, size in enumerate(sizes)]
    every = [report for part in parts for report in part]
    arriving = data.draw(st.permutations(every + data.draw(st.lists(st.sampled_from(every), max_size=6))))
    arrivals, given_out = Arrivals(len(parts)), list[Staged]()

    for report in arriving:
        arrivals.take(report)
        if data.draw(st.booleans()):
            given_out += arrivals.ready()
            for part, whole in enumerate(parts):
                mine = [each for each in given_out if each.block.part == part]
                assert whole[: len(mine)] == mine
    given_out += arrivals.ready()

    assert sorted(given_out, key=lambda each: (each.block.part, each.block.number)) == every
    arrivals.check_whole()


@given(st.permutations(range(4)))
def test_only_the_first_report_of_a_block_is_new(order: list[int]) -> None:
    """A block that was embedded again, before or after its first report was given out, is left out."""
    made = reports(0, 3)
    arrivals = Arrivals(1)

    assert [True] * 4 == [arrivals.take(made[number]) for number in order]
    assert not arrivals.take(made[order[0]])
    arrivals.ready()
    assert not any(arrivals.take(report) for report in made)


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_block_that_is_missing_is_found_out(missing: int) -> None:
    """The first, one in the middle, and the end of a part."""
    arrivals = Arrivals(1)
    for report in reports(0, 3):
        if report.block.number != missing:
            arrivals.take(report)

    assert missing == len(arrivals.ready())
    with pytest.raises(RuntimeError, match="never came back"):
        arrivals.check_whole()


def test_a_source_that_was_another_one_the_second_time_is_found_out() -> None:
    """Blocks of two readings do not mix: what lies before the break is given out, and the reason told at the end."""
    arrivals = Arrivals(2)
    first, second, other = reports(0, 3), reports(0, 3, "changed"), reports(1, 1)
    for report in (first[0], first[1], *second[2:], *other):
        arrivals.take(report)

    assert [*first[:2], *other] == arrivals.ready()
    assert [] == arrivals.ready()
    with pytest.raises(SourceError, match="changed while it was read"):
        arrivals.check_whole()


def test_why_parts_broke_off_is_told() -> None:
    """Every reason, once all that came before is given out."""
    arrivals = Arrivals(2)
    for part in range(2):
        *whole, end = reports(part, 1)
        for report in (*whole, replace(end, block=replace(end.block, error=f"part {part} is cut"))):
            arrivals.take(report)

    assert 4 == len(arrivals.ready())
    with pytest.raises(SourceError, match="part 0 is cut; part 1 is cut"):
        arrivals.check_whole()
