"""The indexes of one collection are planned together, and built as they were planned."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_moments, build_parts
from index.collection import Collection
from index.errors import PlanImpossible
from index.kinds.spec import KINDS
from index.plan import Budget, plan
from index.shares import plan_collection, plan_shares, rows_of
from tests.index.published import filled, unit_vectors
from tests.index.support import empty_collection
from tests.index.test_moments import video_entry
from vilem.cli.index_plan import bytes_of

ROWS = st.fixed_dictionaries({name: st.integers(0, 10**8) for name in ("images", "texts", "moments")})
BUDGETS = st.builds(Budget, memory=st.integers(0, 10**12), kind=st.sampled_from([None, *KINDS]))


@given(ROWS, st.integers(2, 2048), BUDGETS, st.sampled_from([0.9, 0.95, 1.0]))
def test_what_is_planned_fits_together_and_what_is_advised_is_accepted(
    rows: dict[str, int], dim: int, budget: Budget, recall: float
) -> None:
    """All indexes keep within the memory that is given for all; where they cannot, the amount that the error names is enough."""
    try:
        plans = plan_shares(rows, dim, budget, recall)
    except PlanImpossible as error:
        named = re.search(r"--memory (\S+)", str(error))
        assert named is not None
        memory = bytes_of(named[1])
        plans = plan_shares(rows, dim, budget.model_copy(update={"memory": memory}), recall)
    else:
        memory = budget.memory or 0
    assert sum(each.resident for each in plans.values()) <= memory
    assert rows.keys() == plans.keys()


@given(ROWS, st.integers(2, 2048))
def test_without_a_budget_each_is_as_if_alone(rows: dict[str, int], dim: int) -> None:
    """Nothing is shared where nothing is scarce."""
    assert {name: plan(count, dim) for name, count in rows.items()} == plan_shares(rows, dim)


def test_one_index_has_all_of_the_memory() -> None:
    """Without captions and moments the images' share is the whole, and a refusal says so in one amount."""
    alone = {"images": 1_000, "texts": 0, "moments": 0}
    enough = 1_000 * (8 + 4 * 16)

    assert "flat" == plan_shares(alone, 16, Budget(memory=enough))["images"].spec.kind
    with pytest.raises(PlanImpossible, match=r"1,000 x 16 vectors do not fit 100 B.*--memory \S+kB$"):
        plan_shares(alone, 16, Budget(memory=100))


def test_what_does_not_fit_is_told() -> None:
    """The refusal names what each index needs at least, and what is to be given for all."""
    with pytest.raises(PlanImpossible, match=r"fit 1.8 kB: .*500 of images \S+ kB.*1,000 of texts \S+ kB.*for all"):
        plan_shares({"images": 500, "texts": 1_000}, 16, Budget(memory=1_800))


@pytest.mark.parametrize("texts", [1, 18, 1_000])
def test_the_first_captions_have_room(texts: int) -> None:
    """A few captions beside a million images, as the first upserts bring them, fit what the images fitted."""
    budget, images = Budget(memory=200_000_000), 1_000_000
    alone = plan_shares({"images": images}, 512, budget)["images"]

    plans = plan_shares({"images": images, "texts": texts}, 512, budget)

    assert alone.spec.kind == plans["images"].spec.kind
    assert sum(each.resident for each in plans.values()) <= 200_000_000


@pytest.mark.parametrize("memory", [None, 60_000, 90_000, 108_000])
def test_what_is_planned_is_what_is_built(tmp_path: Path, memory: int | None) -> None:
    """Of the same collection, budget and recall: the kind, bytes and reasons of the plan are those of the files."""
    collection = filled(tmp_path, unit_vectors(500, 16), captions=2)
    budget = Budget(memory=memory)

    plans = plan_collection(collection, budget, 0.9)
    images, texts = build_parts(collection, tmp_path, target_recall=0.9, budget=budget)

    for name, part in (("images", images), ("texts", texts)):
        assert part is not None
        planned = plans[name]
        assert (planned.spec.kind, planned.resident, [*planned.why]) == (part.kind, part.planned_bytes, part.why)


def test_moments_have_a_share_too(tmp_path: Path) -> None:
    """Videos' moments are counted before anything is built, and built as planned."""
    collection = empty_collection(tmp_path)
    collection.add([video_entry(number, [0.0, 1.0, 2.0]) for number in range(4)])
    budget = Budget(memory=16 * (8 + 4 * 4))

    assert {"images": 4, "texts": 0, "moments": 12} == rows_of(collection)
    planned = plan_collection(collection, budget)["moments"]
    built = build_moments(collection, tmp_path, target_recall=0.95, budget=budget)

    assert built is not None
    assert ("flat", 12 * 24, 12 * 24) == (built.kind, built.planned_bytes, planned.resident)
    with pytest.raises(PlanImpossible, match=r"4 dimensions do not fit 100 B.*of moments"):
        build_parts(collection, tmp_path, target_recall=0.95, budget=Budget(memory=100))


def test_captions_that_a_killed_writer_left_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are planned for and do not count: lists are no more than can be learnt from what does."""
    collection = filled(tmp_path, unit_vectors(60, 16), captions=1)
    read = Collection.caption_vectors
    monkeypatch.setattr(
        Collection, "caption_vectors", lambda self: ((rows[:3], vectors[:3]) for rows, vectors in read(self))
    )
    monkeypatch.setattr(
        "index.shares.rows_of", lambda collection: {"images": collection.count(), "texts": 8_000, "moments": 0}
    )

    _, texts = build_parts(collection, tmp_path, target_recall=0.5, budget=Budget(kind="ivf-rabitq"))

    assert texts is not None
    assert (3, "IVF1,RaBitQ2,Refine(SQfp16)") == (texts.rows, texts.factory)
