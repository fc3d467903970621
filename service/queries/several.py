"""Several searches at a time on one version of a collection; one that fails fails alone."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from pydantic import ValidationError

from service.encoding import urgency
from service.problems import EXPECTED, Problem, internal, noted, problem_of, problem_of_invalid
from service.queries.search import answer
from service.queries.together import together
from service.runtime import Runtime
from service.schemas.hits import SearchAnswer
from service.schemas.query import SearchRequest
from service.schemas.searches import SearchesAnswer
from service.served import Served

_log = logging.getLogger("vilem.service")


async def search_each(runtime: Runtime, name: str, bodies: Sequence[object]) -> SearchesAnswer:
    """Answer every search of *bodies*, each the JSON of a `SearchRequest`.

    Raises:
        CollectionUnknown, NotReady: no such collection is served.
    """
    began = time.perf_counter()
    if len(bodies) > 1:
        # nobody waits for each of them
        urgency.prefer(urgency.BATCH)
    # taken once: whatever is written or published meanwhile, all see this one
    served = runtime.served(name)

    def maker(body: object) -> Callable[[], Awaitable[SearchAnswer | Problem]]:
        return lambda: _one(runtime, served, body)

    settings = runtime.settings
    results = await together([maker(body) for body in bodies], min(settings.max_batch, settings.max_queue))
    searcher, took_ms = served.searcher, round(1000 * (time.perf_counter() - began), 3)
    return SearchesAnswer(results=results, collection=searcher.name, version=searcher.version, took_ms=took_ms)


async def _one(runtime: Runtime, served: Served, body: object) -> SearchAnswer | Problem:
    try:
        request = SearchRequest.model_validate(body)
        return await answer(runtime, served, request.query, request, request.reranking())
    except ValidationError as error:
        return noted(problem_of_invalid(error.errors()), runtime.metrics)
    except EXPECTED as error:
        return noted(problem_of(error), runtime.metrics)
    except Exception:  # noqa: BLE001 - see below
        # a fault of ours that one search meets is no answer to the others
        _log.exception("one of several searches failed")
        return noted(internal(), runtime.metrics)
