"""Answers that are kept: found for equal requests to an unchanged collection, and equal to what was kept."""

import gc
import time
from dataclasses import replace

from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from service.caching.cache import ByteLru
from service.operations.metrics import Metrics
from service.queries.answers import Answers
from service.runtime import Runtime
from service.schemas.hits import HitView, SearchAnswer
from service.served import Served

NASTY = st.text(max_size=20) | st.sampled_from(['"took_ms":{}}', "{}}", '"cached":false', "\\", "\u2028"])
HITS = st.builds(
    lambda words, score: HitView(
        id=words, width=1, height=1, image_url="", thumbnail_url="", captions=[words], metadata={words: words, "n": None},
        score=score, caption=None, moment=None,
    ),
    NASTY,
    st.floats(-1, 1),
)  # fmt: skip
ANSWERS = st.builds(
    lambda hits, words: SearchAnswer(
        hits=hits, collection="colours", generation="g0", version=1, snapshot=words, model=words, cached=False, truncated=False, text=words,
        took_ms={"total": 1.0},
    ),
    st.lists(HITS, max_size=3),
    NASTY,
)  # fmt: skip


def served(client: TestClient) -> Served:
    """A collection as it is served now."""
    runtime: Runtime = client.app.state.runtime  # type: ignore[attr-defined]
    return runtime.served("colours")


def found(answers: Answers, key: str) -> SearchAnswer | None:
    """The answer that is kept, read as a client reads it."""
    kept = answers.find(key, time.perf_counter())
    return None if kept is None else SearchAnswer.model_validate_json(kept)


@given(answer=ANSWERS)
@settings(max_examples=60, deadline=None)
def test_what_is_found_is_what_was_kept(answer: SearchAnswer) -> None:
    """Whatever texts an answer holds, it comes back the same but for `cached` and its time."""
    answers = Answers(ByteLru(10**6), Metrics())
    answers.keep("key", answer)
    again = found(answers, "key")

    assert again is not None
    assert again.cached
    assert answer == again.model_copy(update={"cached": False, "took_ms": answer.took_ms})
    assert ["total"] == list(again.took_ms)


def test_the_time_is_that_of_the_request(client: TestClient) -> None:
    """took_ms tells how long the request took that found the answer, not the one that made it."""
    answers = Answers(ByteLru(10**6), Metrics())
    answers.keep("key", SearchAnswer(hits=[], collection="", generation="g0", version=1, snapshot="", model="", cached=False, truncated=False, took_ms={"total": 99.0, "encode": 98.0}))  # fmt: skip
    kept = answers.find("key", time.perf_counter() - 0.5)

    assert kept is not None
    assert 500 <= SearchAnswer.model_validate_json(kept).took_ms["total"] < 600


@given(questions=st.lists(st.binary(max_size=12), unique=True, max_size=8))
@settings(max_examples=25, deadline=None)
def test_requests_that_differ_in_anything_differ_in_key(client: TestClient, questions: list[bytes]) -> None:
    """Other bytes, or another moment of the collection, are another key; the same of both is the same."""
    answers, now = Answers(ByteLru(10**6), Metrics()), served(client)
    later = replace(now)
    keys = [answers.key(moment, question) for question in questions for moment in (now, later)]

    assert 2 * len(questions) == len(set(keys))
    assert keys == [answers.key(moment, question) for question in questions for moment in (now, later)]


def test_moments_that_are_over_are_forgotten(client: TestClient) -> None:
    """What was served before is not held by its answers, and a later moment never gets the number of one that is gone."""
    answers, now = Answers(ByteLru(10**6), Metrics()), served(client)
    seen: set[str] = set()
    for _ in range(5):
        moment = replace(now)
        seen.add(answers.key(moment, b""))
        del moment
        gc.collect()

    assert 5 == len(seen)
    assert 0 == len(answers._numbers)  # pyright: ignore[reportPrivateUsage]


def test_look_ups_are_counted() -> None:
    """Hits and misses are told by the metric of the cache, and a hit is a search that took its time; what is never kept was not missed."""
    metrics = Metrics()
    answers = Answers(ByteLru(10**6), metrics)
    answers.find("never kept", time.perf_counter())
    answers.find("key", time.perf_counter())
    answers.keep("key", SearchAnswer(hits=[], collection="", generation="g0", version=1, snapshot="", model="", cached=False, truncated=False, took_ms={}))  # fmt: skip
    answers.find("key", time.perf_counter())

    def counted(result: str) -> float | None:
        return metrics.registry.get_sample_value("vilem_cache_total", {"layer": "answers", "result": result})

    assert (1, 1) == (counted("hit"), counted("miss"))
    assert 1 == metrics.registry.get_sample_value("vilem_stage_seconds_count", {"stage": "total"})
