"""What goes over the wire, as properties."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from service.errors import AsksTooMuch
from service.schemas.embeddings import MAX_INPUTS, EmbeddingsRequest
from service.schemas.hits import HitView
from service.schemas.items import PutItem
from service.schemas.parts import MAX_PARTS, Feedback, Part, Query
from service.schemas.query import SearchOptions, SearchRequest

KINDS = {
    "text": st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable() and bool(text.strip())),
    "image": st.text("abcdefgh+/=", min_size=1),
    "id": st.text("abc/ -", min_size=1, max_size=20),
    "vector": st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
}
# what else a query, and what else a part may be
PARTS = st.lists(st.fixed_dictionaries({"text": st.just("a")}), min_size=1, max_size=MAX_PARTS)
CHANGE = st.just({"from": "day", "to": "night"})
KNOWN = {"query", "target", "limit", "offset", "include"}


def is_valid(model: type[BaseModel], fields: object) -> bool:
    """Whether the schema takes it; any other exception than a validation error fails the test."""
    try:
        model.model_validate(fields)
    except ValidationError:
        return False
    return True


@given(given_kinds=st.sets(st.sampled_from(sorted([*KINDS, "parts"]))), data=st.data())
def test_exactly_one_kind_of_query(given_kinds: set[str], data: st.DataObject) -> None:
    """Of text, image, id, vector and parts, one and only one may be given; none only with what was liked."""
    fields = {kind: data.draw({**KINDS, "parts": PARTS}[kind]) for kind in given_kinds}

    assert (len(given_kinds) == 1) == is_valid(Query, fields)
    assert (len(given_kinds) <= 1) == is_valid(Query, {**fields, "feedback": {"liked": ["a"]}})
    assert (len(given_kinds) == 1) == is_valid(Query, {**fields, "feedback": {"disliked": ["a"]}})


@given(given_kinds=st.sets(st.sampled_from(sorted([*KINDS, "change"]))), data=st.data())
def test_exactly_one_kind_of_part(given_kinds: set[str], data: st.DataObject) -> None:
    """A part is one of the same, or a change; a query is no change by itself, and a part holds no parts."""
    fields = {kind: data.draw({**KINDS, "change": CHANGE}[kind]) for kind in given_kinds}

    assert (len(given_kinds) == 1) == is_valid(Part, fields)
    assert not is_valid(Query, {**fields, "change": {"from": "day", "to": "night"}})
    assert not is_valid(Part, {**fields, "parts": [{"text": "a"}]})


@given(weight=st.floats() | st.integers(-2000, 2000))
def test_a_weight_is_a_number_that_does_something(weight: float) -> None:
    """From -1,000 to 1,000, but for 0, NaN and the infinities."""
    expected = math.isfinite(weight) and 0 < abs(weight) <= 1000

    assert expected == is_valid(Part, {"text": "a", "weight": weight})


@given(count=st.integers(0, 20))
def test_parts_are_few(count: int) -> None:
    """1-16."""
    assert (1 <= count <= MAX_PARTS) == is_valid(Query, {"parts": [{"text": "a"}] * count})


@given(liked=st.lists(st.sampled_from("abcd"), max_size=5), disliked=st.lists(st.sampled_from("abcd"), max_size=5))
def test_feedback_says_something_and_does_not_contradict_itself(liked: list[str], disliked: list[str]) -> None:
    """There is an item in it, and none is both liked and disliked; naming one twice says nothing more."""
    expected = bool(liked or disliked) and not {*liked} & {*disliked}

    assert expected == is_valid(Feedback, {"liked": liked, "disliked": disliked})


@given(alpha=st.floats(), beta=st.floats(), gamma=st.floats())
def test_feedback_weighs_by_shares(alpha: float, beta: float, gamma: float) -> None:
    """Each is a finite number from 0 to 1,000: what is liked cannot be gone away from."""
    expected = all(math.isfinite(each) and 0 <= each <= 1000 for each in (alpha, beta, gamma))

    assert expected == is_valid(Feedback, {"liked": ["a"], "alpha": alpha, "beta": beta, "gamma": gamma})


@given(trade=st.floats(), candidates=st.integers(-5, 300), least=st.floats())
def test_diversity_and_sureness_are_shares(trade: float, candidates: int, least: float) -> None:
    """lambda and min_score lie in [0, 1], candidates in 1-200."""
    assert (0 <= trade <= 1 and 1 <= candidates <= 200) == is_valid(
        SearchOptions, {"diversify": {"lambda": trade, "candidates": candidates}}
    )
    assert (0 <= least <= 1) == is_valid(SearchOptions, {"min_score": least})


@given(number=st.floats(), place=st.integers(0, 9))
def test_a_vector_is_finite(number: float, place: int) -> None:
    """One NaN or infinity anywhere refuses the whole vector."""
    vector = [0.5] * 10
    vector[place] = number

    assert math.isfinite(number) == is_valid(Query, {"vector": vector})


@given(limit=st.integers(), offset=st.integers())
def test_limits_bound_a_page(limit: int, offset: int) -> None:
    """1-100 hits, after at most 1,000."""
    expected = 1 <= limit <= 100 and 0 <= offset <= 1000

    assert expected == is_valid(SearchOptions, {"limit": limit, "offset": offset})


@pytest.mark.parametrize("field", ["limit", "offset", "candidates"])
@pytest.mark.parametrize("value", [True, "5", 5.0, None])
def test_whole_numbers_are_numbers(field: str, value: object) -> None:
    """JSON's true, a string and a fraction are no whole numbers, whatever Python would make of them."""
    fields = {"query": {"text": "a"}, "rerank": "proofread"}

    assert is_valid(SearchRequest, {**fields, field: 5})
    assert not is_valid(SearchRequest, {**fields, field: value})


@given(blank=st.text(" \t\n\u00a0\u2003", max_size=5), text=st.text("ab \n", max_size=5))
def test_blank_texts_are_refused_everywhere(blank: str, text: str) -> None:
    """A text without a character to read is embedded as little as searched with, alone or among others."""
    for written in (blank, text):
        valid = bool(written.strip())
        assert valid == is_valid(Query, {"text": written})
        assert valid == is_valid(EmbeddingsRequest, {"model": "m", "input": written})
        assert valid == is_valid(EmbeddingsRequest, {"model": "m", "input": ["a", written]})


@given(name=st.text(max_size=20).filter(lambda name: name not in KNOWN))
def test_unknown_fields_are_refused(name: str) -> None:
    """A field that is not in the schema is an error at every level."""
    assert not is_valid(SearchRequest, {"query": {"text": "a"}, name: 1})
    assert not is_valid(SearchRequest, {"query": {"text": "a", name: 1}})


@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["query", "text", "vector"]), inner)
        ),
        max_leaves=10,
    )
)
@settings(max_examples=200)
def test_any_json_is_taken_or_refused(junk: object) -> None:
    """Whatever JSON is sent, validation ends in a model or a validation error."""
    for model in (SearchRequest, Query, SearchOptions, EmbeddingsRequest):
        is_valid(model, junk)


@pytest.mark.parametrize(("count", "valid"), [(0, False), (1, True), (257, True), (MAX_INPUTS, True)])
def test_a_request_embeds_what_the_setting_allows(count: int, *, valid: bool) -> None:
    """One input at least; how many at most is the service's to say, up to a bound of memory."""
    assert valid == is_valid(EmbeddingsRequest, {"model": "m", "input": ["a"] * count})


def test_no_setting_allows_more_than_memory_does() -> None:
    """Beyond the bound a list is not looked at: it asks for too much, as one that the setting refuses."""
    with pytest.raises(AsksTooMuch, match="several requests"):
        is_valid(EmbeddingsRequest, {"model": "m", "input": [""] * (MAX_INPUTS + 1)})


@given(
    metadata=st.none()
    | st.dictionaries(st.text(max_size=5), st.none() | st.integers(-5, 5) | st.text(max_size=5), max_size=4),
    caption=st.none() | st.text(max_size=10),
    score=st.floats(-1, 1),
)
def test_a_hit_survives_the_cache(metadata: dict[str, object] | None, caption: str | None, score: float) -> None:
    """A hit written as JSON and read back is the same hit, nulls in its metadata included."""
    hit = HitView.model_validate(
        {
            "id": "a", "width": 1, "height": 2, "image_url": "i", "thumbnail_url": "t", "captions": ["c"],
            "metadata": metadata, "score": score, "caption": caption,
        }
    )  # fmt: skip

    assert hit == HitView.model_validate_json(hit.model_dump_json())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (SearchRequest, {"query": {"text": "a"}, **{f"x{number}": 1 for number in range(20_000)}}),
        (SearchRequest, {**{f"x{number}": 1 for number in range(20_000)}, "query": {"text": "a"}}),
        (Query, {"parts": [{f"x{number}": 1 for number in range(10_000)}] * MAX_PARTS}),
        (Query, {"parts": [{}] * 20_000}),
        (Query, {"parts": [1] * 20_000}),
        (Query, {"text": "a", "feedback": {"liked": [1] * 20_000}}),
        (Query, {"text": "a", "feedback": {"disliked": [""] * 20_000}}),
        (SearchRequest, {"query": {"text": "a"}, "include": ["none"] * 20_000}),
        (SearchRequest, {"query": {"text": "a"}, "facets": [1] * 20_000}),
        (Query, {"vector": [True] * 8192}),
        (PutItem, {"id": "a", "captions": [1] * 20_000}),
        (PutItem, {"id": "a", "vector": ["1"] * 8192}),
    ],
)
def test_a_body_of_many_faults_costs_little(model: type[BaseModel], fields: object) -> None:
    """However much is wrong, few faults are told of: each costs the event loop microseconds, and a body has room for a million."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)

    assert caught.value.error_count() <= 1100
    # what is there is not said to be missing, nor the other way round
    known = {
        "extra_forbidden",
        "missing",
        "value_error",
        "string_type",
        "float_type",
        "string_too_short",
        "too_short",
        "literal_error",
        "model_type",
    }
    assert known >= {each["type"] for each in caught.value.errors()}


@given(count=st.integers(1, 300))
def test_every_field_that_is_not_known_counts(count: int) -> None:
    """One, or more than there are names for: a body with fields that are not known is refused for them."""
    with pytest.raises(ValidationError) as caught:
        SearchRequest.model_validate({"query": {"text": "a"}, **{f"x{number}": 1 for number in range(count)}})

    assert {"extra_forbidden"} == {each["type"] for each in caught.value.errors()}
