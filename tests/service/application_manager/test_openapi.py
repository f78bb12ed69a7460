"""The published document is true: whatever it allows is answered as it says, never by a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from application_manager.api.openapi import document_of
from tests.service.application_manager.bench import NOON, TOKEN, World, schedule_file, world

OPEN = {"/api/v1/login", "/api/v1/calendar/{link}.ics"}  # these need no role
KNOWN = {"instance_id": "a", "job_id": "a.20260302T115900Z.0", "node_id": "m1"}
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def platform() -> Iterator[World]:
    """One platform for all examples, with something of each kind on it."""
    with world() as made:
        made.apply(schedule_file("a", "b"))
        made.put_job("a.20260302T115900Z.0", "FAILED")
        made.write("put_node", node="m1", at=NOON, log_port=1)
        yield made


def operations_of(made: World) -> list[Any]:
    """List what the document describes, but for streams without an end."""
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", made.client.app)
    chosen = schema.exclude(path_regex="/stream$|/logs$|/login$")
    return [found.ok() for found in chosen.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_sent_is_answered_as_the_document_says(
    platform: World, mode: GenerationMode
) -> None:
    operations = operations_of(platform)
    assert len(operations) > 35
    failures: list[str] = []
    for operation in operations:
        try:
            _try(operation, mode)
        except Unsatisfiable:  # nothing about it can be wrong
            continue
        except Exception as error:  # noqa: BLE001 - all operations' failures are told together
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)


def _try(operation: Any, mode: GenerationMode) -> None:
    @settings(max_examples=8, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), is_known=booleans())
    def call(case: Any, is_known: bool) -> None:
        if is_known:
            case.path_parameters = {
                key: KNOWN.get(key, value) for key, value in (case.path_parameters or {}).items()
            }
        case.call_and_validate(headers={"authorization": f"Bearer {TOKEN}"}, checks=CHECKS)

    call()


def test_every_operation_tells_its_role_and_its_problems(world: World) -> None:
    document = document_of(world.client.app)  # type: ignore[arg-type]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 35
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        assert "x-rota-role" in operation or path in OPEN, (path, method)
        assert {"401", "422", "503"} <= set(operation["responses"]), (path, method)
