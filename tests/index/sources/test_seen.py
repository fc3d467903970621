"""index.sources.seen: a set of strings that does not grow in memory."""

import resource

from hypothesis import given
from hypothesis import strategies as st

from index.sources.seen import SeenStrings


@given(st.lists(st.text(st.characters(), max_size=5)))
def test_it_is_a_set(texts: list[str]) -> None:
    """A string is new exactly when it was not added before; lone surrogates too."""
    before: set[str] = set()
    with SeenStrings() as seen:
        for text in texts:
            assert (text not in before) is seen.add(text)
            before.add(text)


def test_many_strings_stay_out_of_memory() -> None:
    """200,000 strings take less than 40 MB, which is the cache and not the set."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with SeenStrings() as seen:
        assert all(seen.add(f"folder/{number:09d}.jpg") for number in range(200_000))
        assert not seen.add("folder/000000007.jpg")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
