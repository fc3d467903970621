"""What the run of faults says it tried, it tried."""

from pathlib import Path

from benchmarks.chaos import Options, any_request, askable
from tests.support.collections import make_colours

DOCUMENT = {
    "paths": {
        "/healthz": {"get": {"responses": {}}},
        "/models": {"get": {"parameters": [], "responses": {}}},
        "/items": {"put": {"requestBody": {}}, "delete": {"parameters": [{"name": "id"}]}},
    }
}


def test_what_takes_nothing_is_one_case() -> None:
    """Cases are shared out among the operations that take a body or a parameter: of the others there is but one."""
    assert 2 == askable(DOCUMENT)


def test_as_many_are_sent_as_are_asked_for(tmp_path: Path, tiny_bundle: Path) -> None:
    """The number of requests reaches the one that was asked for, which is its bar; and how it was shared out is printed."""
    cases = 60
    make_colours(tmp_path, tiny_bundle)
    rows = {row.what: row for row in any_request(Options(tmp_path, 1.0, 0, cases, 0.0))}

    assert (cases, "ok") == (rows["requests"].bar, rows["requests"].verdict)
    assert rows["operations that take something"].value * rows["cases of each"].value >= cases
