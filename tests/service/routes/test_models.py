"""GET /v1/models, in the shape of OpenAI's API."""

from fastapi.testclient import TestClient


def test_every_loaded_model_is_listed(reader: TestClient) -> None:
    """Each model is there once, with the collections that it embedded and whether it proofreads."""
    body = reader.get("/v1/models").json()

    assert "list" == body["object"]
    by_collections = {tuple(each["collections"]): each for each in body["data"]}
    assert {("colours",), ("bare", "painted", "told")} == set(by_collections)
    able, unable = by_collections["bare", "painted", "told"], by_collections["colours",]
    assert {"available": True, "reason": None} == able["proofread"]
    assert (16, "model", "tiny", False) == (
        unable["dim"],
        unable["object"],
        unable["id"],
        unable["proofread"]["available"],
    )


def test_a_listed_model_embeds_by_name_and_by_digest(reader: TestClient) -> None:
    """What the list calls a model is what /v1/embeddings takes."""
    for each in reader.get("/v1/models").json()["data"]:
        for name in (each["id"], each["bundle_digest"]):
            answer = reader.post("/v1/embeddings", json={"model": name, "input": "red"})
            assert each["dim"] == len(answer.json()["data"][0]["embedding"])
