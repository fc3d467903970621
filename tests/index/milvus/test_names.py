"""Names inside Milvus."""

import re

from hypothesis import given
from hypothesis import strategies as st

from index.milvus.names import KINDS, alias_of, store_of
from index.schema import check_name

names = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")
# the server's rule
LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@given(names)
def test_every_collection_has_legal_names(name: str) -> None:
    """Whatever may name a collection gives an alias and stores that Milvus takes."""
    check_name(name)

    assert all(LEGAL.fullmatch(alias_of(name, kind)) for kind in KINDS)
    assert all(LEGAL.fullmatch(store_of(name, kind, "0f" * 32, 10**9)) for kind in KINDS)


@given(names, names)
def test_two_collections_never_share_an_alias(first: str, second: str) -> None:
    """Names that differ only in what Milvus does not allow stay apart."""
    assert (first == second) == (alias_of(first, "images") == alias_of(second, "images"))


def test_names_that_look_alike_differ() -> None:
    """`a-b`, `a.b` and `a_b` are three collections."""
    assert 3 == len({alias_of(name, "texts") for name in ("a-b", "a.b", "a_b")})


def test_no_two_stores_are_the_same() -> None:
    """A store is made anew each time, though collection, bundle and version are what they were."""
    assert store_of("a", "images", "0" * 64, 3) != store_of("a", "images", "0" * 64, 3)


def test_a_store_tells_what_it_holds() -> None:
    """Its name begins with the alias, and has the bundle and the version."""
    name = store_of("photos", "texts", "abcdef0123456789" * 4, 12)

    assert name.startswith(f"{alias_of('photos', 'texts')}_abcdef012345_v12_")
