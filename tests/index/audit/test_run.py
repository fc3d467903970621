"""The whole audit."""

from pathlib import Path

import pytest

from index.audit.figures import Audit
from index.audit.run import audit
from index.searcher import Searcher
from tests.index.audit.made import ALIEN, EXCHANGED, NASTY
from tests.index.duplicates.made import searcher, turned


@pytest.fixture(scope="module")
def found(made: Searcher) -> Audit:
    """What is said of it."""
    return audit(made)


def test_exchanged_captions_are_found(found: Audit) -> None:
    """The pairs with the captions of others are flagged, and nearly no other is; their number is about right."""
    assert found.captions is not None
    assert found.captions.two_kinds
    flagged = [each for each in found.captions.suspects if each.wrong > 0.5]
    exchanged = [each for each in flagged if each.id in EXCHANGED]

    assert len(flagged) == found.captions.flagged
    assert len(exchanged) >= 14
    # two captions say nothing of any picture
    assert len(flagged) - len(exchanged) <= 3
    assert 14 <= found.captions.expected_wrong <= 22


def test_an_exchanged_caption_names_the_picture_that_it_fits(found: Audit) -> None:
    """Most captions of an exchanged item fit best the item that they were taken from."""
    assert found.captions is not None
    taken = dict(zip(EXCHANGED, EXCHANGED[1:] + EXCHANGED[:1], strict=True))

    fits = [taken[each.id] == each.fits for each in found.captions.suspects if each.id in taken]

    assert sum(fits) / len(fits) > 0.6


def test_suspects_come_lowest_first(found: Audit) -> None:
    """The list begins with what fits least, and the probability never rises along it."""
    assert found.captions is not None
    cosines = [each.cosine for each in found.captions.suspects]
    wrong = [each.wrong for each in found.captions.suspects]

    assert cosines == sorted(cosines)
    assert wrong == sorted(wrong, reverse=True)


def test_a_caption_of_several_items_is_told(found: Audit) -> None:
    """It is there with how many items have it and which."""
    assert found.texts is not None
    shared = {each.caption: each for each in found.texts.most}

    assert 2 == shared[NASTY].items
    assert ["40", "41"] == sorted(shared[NASTY].examples)
    counts = [each.items for each in found.texts.most]
    assert counts == sorted(counts, reverse=True)
    assert found.texts.shared == len(counts)
    assert found.texts.pairs >= sum(counts)


def test_the_farthest_come_first(found: Audit) -> None:
    """Every item has its place by its distance to its neighbours, an item without captions too; those over the bound are counted."""
    scores = [each.z for each in found.outliers.farthest]

    assert scores == sorted(scores, reverse=True)
    assert 61 == len(scores)
    assert ALIEN in {each.id for each in found.outliers.farthest}
    assert found.outliers.flagged == sum(score > 3.5 for score in scores)


def test_hubs_are_counted(found: Audit) -> None:
    """The greatest come first; each of 61 items has 10 neighbours, so the bound lies over 10."""
    counts = [each.occurrences for each in found.hubs.greatest]

    assert counts == sorted(counts, reverse=True)
    assert 610 == sum(counts)
    assert found.hubs.bound > 10
    assert found.hubs.flagged == sum(count > found.hubs.bound for count in counts)


def test_lists_are_bounded_and_counts_are_not(made: Searcher, found: Audit) -> None:
    """With a limit of 2 each list has 2 entries, and every count is the same."""
    short = audit(made, limit=2)

    assert short.captions is not None and found.captions is not None and short.texts is not None
    assert [2, 2, 2] == [len(short.captions.suspects), len(short.outliers.farthest), len(short.hubs.greatest)]
    assert len(short.texts.most) <= 2
    assert found.captions.flagged == short.captions.flagged
    assert (found.outliers.flagged, found.hubs.flagged) == (short.outliers.flagged, short.hubs.flagged)


def test_files_are_read_only_where_wanted(tmp_path: Path, made: Searcher, found: Audit) -> None:
    """Without files nothing is said of them; with them each is read, and all that are broken are counted."""
    lost = audit(searcher(tmp_path, turned([0, 10, 20])), files=True, limit=1)

    assert found.files is None
    assert lost.files is not None
    assert (3, 3, 1) == (lost.files.read, lost.files.broken, len(lost.files.examples))
    assert audit(made, files=True).files == audit(made, files=True).files


def test_without_captions_the_rest_is_said(tmp_path: Path) -> None:
    """A collection of pictures alone has outliers and hubs, and no word of captions."""
    found = audit(searcher(tmp_path, turned([0, 10, 20, 30])))

    assert found.captions is None
    assert found.texts is None
    assert 4 == found.items == len(found.outliers.farthest)
