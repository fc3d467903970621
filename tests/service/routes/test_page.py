"""The page's own files."""

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/static/app.js", "text/javascript")])
def test_a_browser_asks_whether_it_has_the_page_s_files(client: TestClient, path: str, kind: str) -> None:
    """They are never taken for what they are without a question, which is short where nothing changed: no release is mixed with another."""
    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    other = client.get(path, headers={"if-none-match": '"another"'})

    assert [(200, "no-cache"), (304, "no-cache"), (200, "no-cache")] == [
        (each.status_code, each.headers["cache-control"]) for each in (first, again, other)
    ]
    assert first.headers["content-type"].startswith(kind)
    assert (b"", first.content) == (again.content, other.content)
