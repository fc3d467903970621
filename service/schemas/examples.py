"""Searches as the OpenAPI document shows them; each is sent by a test."""

from fastapi.openapi.models import Example

EXAMPLES: dict[str, Example] = {
    "text": {"summary": "a sentence", "value": {"query": {"text": "a red circle left of a blue star"}, "limit": 5}},
    "item": {"summary": "more like this", "value": {"query": {"id": "test-0-000001"}, "limit": 5}},
    "captions": {
        "summary": "captions of a picture",
        "value": {"query": {"id": "test-0-000001"}, "target": "texts", "limit": 5},
    },
    "parts": {
        "summary": "like this, but blue, and no star",
        "value": {
            "query": {
                "parts": [
                    {"id": "test-0-000001"},
                    {"change": {"from": "a red circle", "to": "a blue circle"}},
                    {"text": "a star", "weight": -0.5},
                ]
            },
            "limit": 5,
        },
    },
    "feedback": {
        "summary": "more like those, and less like that",
        "value": {
            "query": {
                "text": "a red circle",
                "feedback": {"liked": ["test-0-000001"], "disliked": ["test-0-000002"]},
            },
            "limit": 5,
        },
    },
    "sure": {
        "summary": "only what the model takes for right",
        "value": {"query": {"text": "a red circle left of a blue star"}, "min_score": 0.5},
    },
    "diverse": {
        "summary": "a picture of each kind",
        "value": {"query": {"text": "a red circle"}, "limit": 5, "diversify": {"lambda": 0.5, "candidates": 50}},
    },
    "proofread": {
        "summary": "a sentence, word by word",
        "value": {
            "query": {"text": "a red circle left of a blue star"},
            "limit": 5,
            "rerank": "proofread",
            "candidates": 20,
            "explain": True,
        },
    },
    "proofread captions": {
        "summary": "captions of a picture, word by word",
        "value": {"query": {"id": "test-0-000001"}, "target": "texts", "limit": 5, "rerank": "proofread"},
    },
}

SEVERAL: dict[str, Example] = {
    "several": {
        "summary": "three questions, one answer",
        "value": {
            "queries": [
                {"query": {"text": "a red circle"}, "limit": 3},
                {"query": {"text": "a blue star"}, "limit": 3},
                {"query": {"id": "test-0-000001"}, "target": "texts", "limit": 3},
            ]
        },
    }
}
