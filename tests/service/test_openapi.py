"""What the OpenAPI document says of keys."""

from fastapi.testclient import TestClient

from service.guard.access import needed


def test_the_document_says_what_needs_a_key(client: TestClient) -> None:
    """Every operation but the probes names the scheme and the scope, and the answers to who has no key or another."""
    document = client.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["key"]

    assert ("http", "bearer") == (scheme["type"], scheme["scheme"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = needed(method.upper(), path)
            assert (scope is None) == (path in ("/healthz", "/readyz"))
            assert (scope is None) == ("security" not in operation)
            assert (scope is None) == ("401" not in operation["responses"])
            assert scope is None or f"`{scope}`" in operation["description"]


def test_it_is_said_once(client: TestClient) -> None:
    """However often the document is asked for, it is the same."""
    assert client.get("/openapi.json").content == client.get("/openapi.json").content
