"""Several searches at a time on one version of a collection; one that fails fails alone."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from pydantic import ValidationError

from service.encoding import urgency
from service.encoding.embedding import Timings
from service.errors import AsksTooMuch
from service.problems import EXPECTED, Problem, internal, named, noted, problem_of, problem_of_invalid, within
from service.queries.bounds import Tally, expect_few, expect_few_hits, hits_of
from service.queries.search import Begun, answer, asked_at_least, begin
from service.queries.together import together
from service.runtime import Runtime
from service.schemas.hits import SearchAnswer
from service.schemas.query import SearchRequest
from service.schemas.searches import SearchesAnswer
from service.served import Served

_log = logging.getLogger("vilem.service")

_Before = TypeVar("_Before")
_After = TypeVar("_After")


async def search_each(runtime: Runtime, name: str, bodies: Sequence[object]) -> SearchesAnswer:
    """Answer every search of *bodies*, each the JSON of a `SearchRequest`.

    Raises:
        CollectionUnknown, NotReady: no such collection is served.
        AsksTooMuch: together they ask for more inputs or hits than one request may.
    """
    began, most = time.perf_counter(), runtime.settings.max_inputs
    if len(bodies) > 1:
        # nobody waits for each of them
        urgency.prefer(urgency.BATCH)
    # taken once: whatever is written or published meanwhile, all see this one
    served = runtime.served(name)
    asked = await _of_each(runtime, bodies, _parsed)
    expect_few_hits(sum(hits_of(each) for each in _good(asked)))
    expect_few(sum(asked_at_least(each.query, each, each.reranking()) for each in _good(asked)), most)
    tally = Tally(most)
    begun = await _of_each(runtime, asked, partial(_begin, runtime, served, tally))
    # all are counted before the first is embedded
    tally.expect_few()
    results = await _of_each(runtime, begun, _answer)
    searcher, took_ms = served.searcher, round(1000 * (time.perf_counter() - began), 3)
    return SearchesAnswer(
        results=results,
        collection=searcher.name,
        generation=searcher.generation,
        version=searcher.version,
        took_ms=took_ms,
    )


async def written(runtime: Runtime, answer: SearchesAnswer) -> bytes:
    """The answer as JSON: large ones search by search, so that others get their turns."""

    async def one(result: SearchAnswer | Problem) -> bytes:
        hits = 0 if isinstance(result, Problem) else len(result.hits)
        return await runtime.turns.take(lambda: result.model_dump_json().encode(), hits=hits)

    results = b",".join([await one(each) for each in answer.results])
    rest = answer.model_dump_json(exclude={"results"}).encode()
    return b'{"results":[' + results + b"]," + rest.removeprefix(b"{")


async def _of_each(
    runtime: Runtime, before: Sequence[_Before | Problem], step: Callable[[_Before], Awaitable[_After]]
) -> list[_After | Problem]:
    """What *step* makes of each; one that it refuses is its problem from then on.

    Raises:
        AsksTooMuch: of *step*: that is all of theirs.
    """

    async def one(place: int, given: _Before | Problem) -> _After | Problem:
        if isinstance(given, Problem):
            return given
        try:
            return await step(given)
        except ValidationError as error:
            problem = problem_of_invalid(error.errors())
        except AsksTooMuch:
            raise
        except EXPECTED as error:
            problem = problem_of(error)
        except Exception:  # noqa: BLE001 - see below
            # a fault of ours that one search meets is no answer to the others
            _log.exception("one of several searches failed")
            problem = internal()
        return noted(named(within(problem, f"queries.{place}")), runtime.metrics)

    settings = runtime.settings
    makers = [partial(one, place, given) for place, given in enumerate(before)]
    return await together(makers, min(settings.max_batch, settings.max_queue))


def _good(found: Sequence[_After | Problem]) -> list[_After]:
    return [each for each in found if not isinstance(each, Problem)]


async def _parsed(body: object) -> SearchRequest:
    return SearchRequest.model_validate(body)


async def _begin(runtime: Runtime, served: Served, tally: Tally, asked: SearchRequest) -> Begun:
    timings, began = Timings(runtime.metrics), time.perf_counter()
    begun = await begin(runtime, served, asked.query, asked, asked.reranking(), timings, tally)
    # what it takes in all began here
    timings.add("total", time.perf_counter() - began)
    return begun


async def _answer(begun: Begun) -> SearchAnswer:
    timings = begun.query.timings
    with timings.stage("total"):
        found = await answer(begun)
    return found.model_copy(update={"took_ms": timings.ms})
