"""POST /v1/embeddings, in the shape of OpenAI's API."""

import base64
import time
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.bundle import Bundle
from service.app import create_app
from service.schemas.embeddings import MAX_INPUTS
from service.settings import Settings
from tests.service.conftest import ADDRESS as HERE
from tests.service.conftest import wait_until_ready
from tests.support.collections import colour_picture

ADDRESS = "/v1/embeddings"
JSON = {"content-type": "application/json"}


def embed(client: TestClient, given: object, **options: object) -> dict[str, object]:
    """The answer's body for *given* inputs."""
    answer = client.post(ADDRESS, json={"model": "tiny", "input": given, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_the_shape_is_openais(client: TestClient) -> None:
    """The answer is a list of embedding objects by index, with model and usage, as OpenAI's clients expect."""
    body = embed(client, ["red", "a photo of blue"])

    assert ("list", "tiny") == (body["object"], body["model"])
    data = body["data"]
    assert isinstance(data, list)
    assert [("embedding", 0), ("embedding", 1)] == [(each["object"], each["index"]) for each in data]
    assert {"prompt_tokens": 9, "total_tokens": 9} == body["usage"]


def test_vectors_are_the_bundles(client: TestClient, tiny_bundle: Path) -> None:
    """Texts and pictures in one request get the bundle's own vectors, in order."""
    bundle = Bundle.open(tiny_bundle)
    data = colour_picture("red")

    body = embed(client, ["red dog", {"image": base64.b64encode(data).decode()}, "blue"])

    found = [each["embedding"] for each in body["data"]]  # type: ignore[attr-defined]
    texts = bundle.embed_texts(["red dog", "blue"]).vectors
    expected = [texts[0], bundle.embed_images(bundle.prepare(data)[None])[0], texts[1]]
    assert np.allclose(expected, found, atol=1e-5)


def test_base64_holds_the_same_numbers(client: TestClient) -> None:
    """encoding_format=base64 is little-endian float32 of the same vector."""
    numbers = embed(client, "red")["data"][0]["embedding"]  # type: ignore[index]
    packed = embed(client, "red", encoding_format="base64")["data"][0]["embedding"]  # type: ignore[index]

    assert np.allclose(numbers, np.frombuffer(base64.b64decode(packed), "<f4"), atol=1e-7)


def test_a_cut_text_is_reported(client: TestClient) -> None:
    """For each input the answer says whether the model read all of it."""
    assert [False, True] == embed(client, ["red", "red " * 100])["truncated"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "tiny"}, 422),
        ({"model": "tiny", "input": []}, 422),
        ({"model": "tiny", "input": ""}, 422),
        ({"model": "tiny", "input": ["red", ""]}, 422),
        ({"model": "tiny", "input": [1, 2, 3]}, 422),
        ({"model": "tiny", "input": None}, 422),
        ({"model": "tiny", "input": {"url": "file:///etc/passwd"}}, 422),
        ({"model": "tiny", "input": {"image": "file:///etc/passwd"}}, 422),
        ({"model": "tiny", "input": {"image": "AAAA"}}, 422),
        ({"model": "tiny", "input": ["x"] * 257}, 413),
        ({"model": "tiny", "input": "x" * 20_001}, 422),
        ({"model": "tiny", "input": "x", "encoding_format": "hex"}, 422),
        ({"model": "tiny", "input": "x", "dimensions": 8}, 422),
        ({"model": "none", "input": "x"}, 404),
        ({"input": "x"}, 422),
    ],
)
def test_bad_input_is_refused(client: TestClient, body: dict[str, object], status: int) -> None:
    """Each invalid request is a 4xx problem."""
    answer = client.post(ADDRESS, json=body)

    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"]), answer.text


def test_the_input_at_fault_is_named(client: TestClient) -> None:
    """Among several inputs, the error names the place of the bad one."""
    answer = client.post(ADDRESS, json={"model": "tiny", "input": ["red", "x" * 20_001]})

    picture = client.post(ADDRESS, json={"model": "tiny", "input": ["red", {"image": "R0lGODlh"}]})

    assert ["input.1"] == [each["field"] for each in answer.json()["errors"]]
    assert ["input.1.image"] == [each["field"] for each in picture.json()["errors"]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", {"input": "at least 1 character"}),
        (" ", {"input": "the text is blank"}),
        (["red", ""], {"input.1": "at least 1 character"}),
        ([[1, 2]], {"input.0": "token ids are not read"}),
        (5, {"input": 'send a text, or an image as {"image": base64}'}),
        ([], {"input": "at least 1 item"}),
        ({"url": "x"}, {"input.image": "Field required", "input.url": "there is no such field"}),
        (["red", {"image": ""}], {"input.1.image": "at least 1 character"}),
    ],
    ids=str,
)
def test_only_the_fault_of_what_was_sent_is_told(client: TestClient, given: object, told: dict[str, str]) -> None:
    """A text is told what is wrong with it as a text, an image as an image, under the client's names and no library's."""
    faults = client.post(ADDRESS, json={"model": "tiny", "input": given}).json()["errors"]

    assert [*told] == [each["field"] for each in faults]
    for each in faults:
        assert told[each["field"]] in each["message"]


def test_half_a_character_is_told_so(client: TestClient) -> None:
    """A lone surrogate, which JSON can hold, is refused in words that say what it is."""
    answer = client.post(ADDRESS, content=b'{"model": "tiny", "input": "red \\ud800"}', headers=JSON)

    assert (422, ["input"]) == (answer.status_code, [each["field"] for each in answer.json()["errors"]])
    assert "half of a surrogate pair" in answer.json()["detail"]


def test_a_number_of_thousands_of_digits_is_told_so(client: TestClient) -> None:
    """JSON whose number is longer than is read is 400, and says what is too long and what to send."""
    answer = client.post(ADDRESS, content=b'{"model": "tiny", "input": %s}' % (b"9" * 5000), headers=JSON)

    assert (400, "/problems/bad-request") == (answer.status_code, answer.json()["type"])
    assert "a number of more than 4,300 digits" in answer.json()["detail"]


def test_another_encoding_is_told_so(client: TestClient) -> None:
    """A body in Latin-1 is 400, and says how to encode it."""
    answer = client.post(ADDRESS, content='{"model": "tiny", "input": "caf\xe9"}'.encode("latin-1"), headers=JSON)

    assert (400, "the body is not UTF-8: send it encoded so") == (answer.status_code, answer.json()["detail"])


def test_the_setting_says_how_many(home: Path) -> None:
    """As many inputs as VILEM_MAX_INPUTS says are answered, also above its default; one more is 413 and tells both numbers."""
    with TestClient(create_app(Settings(home=home, max_inputs=300)), base_url=HERE) as client:
        wait_until_ready(client)

        assert 300 == len(embed(client, ["red"] * 300)["data"])  # type: ignore[arg-type]
        over = client.post(ADDRESS, json={"model": "tiny", "input": ["red"] * 301})

    assert (413, "/problems/asks-too-much") == (over.status_code, over.json()["type"])
    assert "301" in over.json()["detail"] and "300 are allowed" in over.json()["detail"]


def test_more_than_any_setting_allows_is_told_alike(home: Path) -> None:
    """Above the bound of memory the answer is the same 413, whatever the setting, before one of the inputs is looked at."""
    with TestClient(create_app(Settings(home=home, max_inputs=10**6)), base_url=HERE) as client:
        wait_until_ready(client)
        over = client.post(ADDRESS, json={"model": "tiny", "input": [""] * (MAX_INPUTS + 1)})

    assert (413, "/problems/asks-too-much") == (over.status_code, over.json()["type"])
    assert "65,537" in over.json()["detail"] and "several requests" in over.json()["detail"]


def test_a_bad_input_leaves_the_next_request_alone(client: TestClient) -> None:
    """After a request failed on one of its inputs, the same good inputs are answered."""
    client.post(ADDRESS, json={"model": "tiny", "input": ["white", {"image": "AAAA"}]})

    assert 1 == len(embed(client, ["white"])["data"])  # type: ignore[arg-type]


def test_one_request_fits_any_queue(home: Path) -> None:
    """A request of many inputs is answered by an idle service whose queue is shorter than the request is long."""
    app = create_app(Settings(home=home, max_queue=4))
    with TestClient(app, base_url=HERE) as client:
        wait_until_ready(client)

        body = embed(client, [f"red {number}" for number in range(100)])

    assert 100 == len(body["data"])  # type: ignore[arg-type]


def test_with_the_first_that_fails_the_others_end(home: Path) -> None:
    """When one input is refused, those that wait are not computed: nobody will see them."""
    app = create_app(Settings(home=home, max_batch=1))
    with TestClient(app, base_url=HERE) as client:
        wait_until_ready(client)
        inputs = [{"image": "!"}, *(f"blue {number}" for number in range(100))]

        answer = client.post(ADDRESS, json={"model": "tiny", "input": inputs})

        assert (422, "input.0.image") == (answer.status_code, answer.json()["errors"][0]["field"])
        registry = app.state.runtime.metrics.registry
        time.sleep(0.2)
        assert (registry.get_sample_value("vilem_batch_size_sum", {"queue": "text"}) or 0) < 50
