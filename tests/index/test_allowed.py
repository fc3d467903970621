"""Which positions may be answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import allowed as allowed_module
from index.allowed import Allowed


@given(st.lists(st.booleans(), max_size=70))
def test_all_forms_say_the_same(mask: list[bool]) -> None:
    """Positions, count and bits are the mask's."""
    allowed = Allowed(np.array(mask, np.bool_))

    assert len(mask) == len(allowed)
    assert [place for place, each in enumerate(mask) if each] == allowed.positions.tolist()
    assert sum(mask) == allowed.count
    assert mask == np.unpackbits(allowed.packed, count=len(mask), bitorder="little").astype(bool).tolist()
    assert allowed.positions.tolist() == allowed.sample.tolist()


@pytest.mark.parametrize("rhythm", [1, 2, 5, 10])
def test_a_sample_is_from_everywhere(rhythm: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many some are taken, allowed ones alone, from every tenth of the mask, whatever rhythm it has."""
    monkeypatch.setattr(allowed_module, "SAMPLE", 200)
    allowed = Allowed(np.arange(40_000) % rhythm == 0)

    sample = allowed.sample

    assert 100 <= len(sample) <= 400
    assert allowed.mask[sample].all()
    tenths = np.bincount(sample // 4_000, minlength=10)
    assert tenths.max() - tenths.min() <= 2


def test_it_does_not_change() -> None:
    """What was worked out of a mask stays true: the mask cannot be written to."""
    allowed = Allowed(np.ones(5, np.bool_))

    with pytest.raises(ValueError, match="read-only"):
        allowed.mask[0] = False


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
def test_what_it_holds_is_bounded(share: float) -> None:
    """All that a search asks for, positions of few alone, is within what is said."""
    allowed = Allowed(np.random.default_rng(0).random(100_000) < share)
    held = [allowed.mask, allowed.packed, allowed.sample] + ([allowed.positions] if share < 1 / 30 else [])

    assert sum(each.nbytes for each in held) <= allowed.most_bytes
