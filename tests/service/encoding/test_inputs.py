"""What clients send in fields."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.encoding.inputs import checked_vector, decode_base64
from service.errors import QueryInvalid


@given(data=st.binary(max_size=200), prefixed=st.booleans())
def test_base64_is_read_back(data: bytes, *, prefixed: bool) -> None:
    """Any bytes, encoded, with a browser's prefix or without, are decoded to themselves."""
    text = ("data:image/png;base64," if prefixed else "") + base64.b64encode(data).decode()

    assert data == decode_base64(text, "query.image")


@given(text=st.text(max_size=50))
@settings(max_examples=200)
def test_base64_decoding_refuses_or_answers_bytes(text: str) -> None:
    """Any string is decoded or refused with the field's name; nothing else comes out."""
    try:
        assert isinstance(decode_base64(text, "query.image"), bytes)
    except QueryInvalid as error:
        assert "query.image" == error.field


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
def test_a_vector_becomes_a_unit_vector_or_is_refused(values: list[float]) -> None:
    """Of any finite numbers comes a vector of unit length in their direction; next to zero is refused by its field."""
    try:
        found = checked_vector(values, 3, "query.vector")
    except QueryInvalid as error:
        assert "query.vector" == error.field
        assert max(abs(value) for value in values) < 1e-5
        return
    assert 1 == pytest.approx(np.linalg.norm(found), abs=1e-5)
    assert np.argmax(np.abs(values)) == np.argmax(np.abs(found)) or np.isclose(*np.sort(np.abs(found))[-2:])


def test_a_vector_of_another_length_says_both() -> None:
    """The message has the numbers that were sent, and those that are wanted."""
    with pytest.raises(QueryInvalid, match="2 numbers, this collection's have 3"):
        checked_vector([1.0, 2.0], 3, "query.vector")
