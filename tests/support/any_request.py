"""Whatever schemathesis thinks of, sent to a running service."""

import json
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from service.settings import Settings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def main(address: str, cases: int) -> None:
    """Send so many to each operation; prints `{"cases": n, "failed": [...]}`."""
    document = create_app(Settings(home=Path("/nonexistent"))).openapi()
    sent, failed = 0, list[str]()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def ask(case: schemathesis.Case) -> None:
            nonlocal sent
            sent += 1
            if "name" in case.path_parameters:
                case.path_parameters["name"] = "colours"
            case.call_and_validate(base_url=address, checks=CHECKS)

        try:
            ask()
        except Exception as error:
            failed.append(f"{operation.label}: {error}"[:1500])
    print(json.dumps({"cases": sent, "failed": failed}))  # noqa: T201 - its answer
