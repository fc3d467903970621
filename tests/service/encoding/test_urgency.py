"""How urgent a request is, by its header and by what it asks for."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoding import urgency
from service.encoding.urgency import BATCH, LAST, USUAL, handicap_s, urgency_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("u=0", 0),
        ("u=5", 5),
        ("u=7, i", 7),
        ("i, u=1", 1),
        ("i,\tu=1;foo=bar", 1),
        ("u=6, u=2", 2),
        ("", None),
        (None, None),
        ("i", None),
        ("u=8", None),
        ("u=-1", None),
        ("u=2.5", None),
        ("u", None),
        ("U=3", None),
        ("batch", None),
    ],
)
def test_the_header_is_read_as_its_rfc_says(header: str | None, expected: int | None) -> None:
    """0 to 7 count, of equal members the last; what is out of range or of another type is ignored."""
    assert expected == urgency_of(header)


@given(header=st.text())
def test_no_header_is_a_fault(header: str) -> None:
    """Whatever is sent, it says 0 to 7 or nothing."""
    assert urgency_of(header) in (None, *range(LAST + 1))


@given(said=st.integers(0, LAST), preferred=st.integers(0, LAST))
def test_what_the_client_says_counts(said: int, preferred: int) -> None:
    """A route's own urgency holds where the client said none, and for that request only."""

    async def ask(header: str | None) -> int:
        urgency.begin(header)
        urgency.prefer(preferred)
        return urgency.urgency()

    assert said == asyncio.run(ask(f"u={said}"))
    assert preferred == asyncio.run(ask(None))
    assert preferred == asyncio.run(ask("nonsense"))


def test_without_a_word_it_is_usual() -> None:
    """Outside of requests, and in one that says nothing, urgency is 3."""

    async def ask() -> int:
        urgency.begin(None)
        return urgency.urgency()

    assert USUAL == urgency.urgency() == asyncio.run(ask())


def test_requests_side_by_side_have_their_own() -> None:
    """What one task says no other one hears, and its own tasks do."""

    async def inner() -> int:
        await asyncio.sleep(0)
        return urgency.urgency()

    async def ask(header: str) -> int:
        urgency.begin(header)
        return await asyncio.create_task(inner())

    async def both() -> list[int]:
        return await asyncio.gather(*(ask(f"u={each}") for each in range(LAST + 1)))

    assert list(range(LAST + 1)) == asyncio.run(both())


@given(came=st.floats(0, 1000), later=st.floats(0, 1000), early=st.integers(0, LAST), other=st.integers(0, LAST))
def test_nobody_is_passed_by_for_ever(came: float, later: float, early: int, other: int) -> None:
    """Who came first is served first, unless the other is more urgent and came within half a second a step."""
    is_passed = came + later + handicap_s(other) < came + handicap_s(early)

    assert not is_passed or (other < early and later <= urgency.STEP_S * (early - other) + 1e-6)
    assert handicap_s(BATCH) > handicap_s(USUAL) == 0


def test_a_request_is_itself_in_all_of_its_tasks() -> None:
    """Two tasks of one request ask as the same one, those of two requests never do; outside of requests each asks for itself."""

    async def asking() -> object:
        return urgency.asker()

    async def ask(header: str | None) -> tuple[object, object]:
        urgency.begin(header)
        return await asyncio.gather(asking(), asking())

    async def both() -> tuple[tuple[object, object], tuple[object, object]]:
        return await asyncio.gather(ask(None), ask("u=3"))

    (one, again), (other, _) = asyncio.run(both())
    assert one is again
    assert one is not other
    assert urgency.asker() is not urgency.asker()
