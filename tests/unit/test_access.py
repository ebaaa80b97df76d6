"""Every route of the OpenAPI document asks for the scope that it declares, and for the system."""

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from quarterdeck.http.access import PUBLIC, SCHEME, require_declarations
from quarterdeck.http.openapi import build_openapi
from quarterdeck.http.resolver import ROUTES
from quarterdeck.http.services import Services
from quarterdeck.identity.principal import ALL_SCOPES, Principal
from tests import systems
from tests.api_calls import Answer, call, read_items

UNDOCUMENTED = {"GET /openapi.json", "GET /docs"}


class Operation(NamedTuple):
    method: str
    path: str
    scope: str | None
    """None: public."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def fill(self, system_id: str, other: str = "0123") -> str:
        """The path, with ids for its parameters."""
        return re.sub(r"{\w+}", other, self.path.replace("{system_id}", system_id))


def list_operations() -> Iterator[Operation]:
    for path, operations in build_openapi()["paths"].items():
        for method, operation in operations.items():
            (security,) = operation["security"]
            (scope,) = security.get(SCHEME, [None])
            yield Operation(method.upper(), path, scope)


OPERATIONS = list(list_operations())
GUARDED = [operation for operation in OPERATIONS if operation.scope]
OF_A_SYSTEM = [operation for operation in GUARDED if "{system_id}" in operation.path]
OF_THE_ENVIRONMENT = [
    operation
    for operation in GUARDED
    if operation.scope == "admin" and "{system_id}" not in operation.path
]


@pytest.fixture
def system_id(services: Services) -> str:
    system_id: str = call("POST", "/crews", systems.system()).json["system_id"]
    return system_id


def assert_refused(answer: Answer, status: int) -> None:
    assert (answer.status, answer.json["status"]) == (status, status), answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_document_has_every_route() -> None:
    documented = {str(operation).replace("{", "<").replace("}", ">") for operation in OPERATIONS}
    assert {f"{route.method} {route.path}" for route in ROUTES} == documented | UNDOCUMENTED


def find_nullable(schema: Any, components: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Properties that are required and can be null, of a schema and of all that it refers to."""
    match schema:
        case {"$ref": reference} if (name := reference.rpartition("/")[2]) not in seen:
            seen.add(name)
            yield from find_nullable(components[name], components, seen)
        case dict():
            for name in schema.get("required", ()):
                if {"type": "null"} in schema["properties"][name].get("anyOf", ()):
                    yield f"{schema.get('title')}.{name}"
            for part in schema.values():
                yield from find_nullable(part, components, seen)
        case list():
            for part in schema:
                yield from find_nullable(part, components, seen)


def test_what_can_be_missing_from_an_answer_is_not_required() -> None:
    """A field without a value is left out."""
    document = build_openapi()
    components = document["components"]["schemas"]
    answers = [
        operation["responses"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert list(find_nullable(answers, components, set())) == []


def test_one_documented_route_is_public() -> None:
    assert [str(each) for each in OPERATIONS if each.scope is None] == ["GET /health"]
    assert {each.scope for each in GUARDED} <= set(ALL_SCOPES)


def test_a_route_that_does_not_say_who_may_use_it_is_no_route() -> None:
    app = APIGatewayHttpResolver()
    app.get("/open", security=PUBLIC)(list)
    app.get("/forgotten")(list)
    with pytest.raises(TypeError, match=r"^without security=needs\(SCOPE\): GET /forgotten$"):
        require_declarations(app._static_routes)


@pytest.mark.parametrize("operation", OF_A_SYSTEM, ids=str)
def test_a_foreign_system_is_not_there(
    services: Services, system_id: str, operation: Operation
) -> None:
    stranger = Principal(name="x", scopes=ALL_SCOPES, systems=("other",))
    before = read_items()
    foreign = call(operation.method, operation.fill(system_id), principal=stranger)
    nowhere = call(operation.method, operation.fill("nowhere"), principal=stranger)
    assert_refused(foreign, 404)
    assert foreign.json["detail"] == f"there is no system '{system_id}'"
    assert nowhere.json["detail"] == "there is no system 'nowhere'"
    assert read_items() == before


@pytest.mark.parametrize("operation", GUARDED, ids=str)
def test_a_key_without_the_scope_is_refused(
    services: Services, system_id: str, operation: Operation
) -> None:
    others = tuple(scope for scope in ALL_SCOPES if scope != operation.scope)
    before = read_items()
    answer = call(
        operation.method,
        operation.fill(system_id),
        principal=Principal(name="x", scopes=others),
    )
    assert_refused(answer, 403)
    assert answer.json["detail"] == f"this needs a key with the scope '{operation.scope}'"
    assert read_items() == before


@pytest.mark.parametrize("operation", OF_THE_ENVIRONMENT, ids=str)
def test_a_key_of_some_systems_is_no_admin_of_all(
    services: Services, system_id: str, operation: Operation
) -> None:
    limited = Principal(name="x", scopes=ALL_SCOPES, systems=(system_id,))
    before = read_items()
    answer = call(operation.method, operation.fill(system_id), principal=limited)
    assert_refused(answer, 403)
    assert "limited to some systems" in answer.json["detail"]
    assert read_items() == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_nothing_that_is_sent_is_our_failure(
    services: Services, system_id: str, operation: Operation
) -> None:
    systems = (system_id, "nowhere", "A#b", "a" * 3000)
    others = ("0123", "A#b", "a" * 3000)
    bodies: tuple[object, ...] = (None, {}, [], "{")
    for system, other, body in itertools.product(systems, others, bodies):
        answer = call(operation.method, operation.fill(system, other), body)
        assert answer.status < 500, answer.json
