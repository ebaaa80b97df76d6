"""The check of a release, on deployed versions: good ones, and each kind of broken one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.local.service import Service
from quarterdeck.release_checks import ReleaseCheck
from tests.prove import prove


@pytest.fixture
def functions(aws: Callable[[str], Any], service: Service) -> Any:
    return aws("lambda")


def find_version(functions: Any, name: str) -> dict[str, Any]:
    """The configuration of what is live of a function."""
    [found] = [
        function["FunctionName"]
        for function in functions.list_functions()["Functions"]
        if function["Handler"] == f"{name}.lambda_handler"
    ]
    alias = functions.get_alias(FunctionName=found, Name="live")
    version: dict[str, Any] = functions.get_function_configuration(
        FunctionName=found, Qualifier=alias["FunctionVersion"]
    )
    return version


def check(functions: Any, worker: str) -> list[str]:
    api = find_version(functions, "api")["FunctionArn"]
    return ReleaseCheck(functions, worker, api).find_faults()


@contextmanager
def publish(functions: Any, live: dict[str, Any], **changes: Any) -> Iterator[str]:
    """Another version of a function, which gets no traffic; the function is then as before."""
    name = live["FunctionName"]
    functions.update_function_configuration(FunctionName=name, **changes)
    version = functions.publish_version(FunctionName=name)
    restored = {field: live[field] for field in changes}
    functions.update_function_configuration(FunctionName=name, **restored)
    try:
        yield version["FunctionArn"]
    finally:
        functions.delete_function(FunctionName=name, Qualifier=version["Version"])


def test_what_is_deployed_passes(functions: Any) -> None:
    assert check(functions, find_version(functions, "worker")["FunctionArn"]) == []


def test_a_worker_that_does_not_start_is_refused(functions: Any) -> None:
    live = find_version(functions, "worker")
    with publish(functions, live, Handler="worker.nothing") as broken:
        [fault] = check(functions, broken)
    assert fault.startswith("worker: FunctionFailed: ")
    assert "nothing" in fault


@prove
def test_a_worker_that_cannot_reach_its_tools_is_refused(functions: Any) -> None:
    live = find_version(functions, "worker")
    variables = live["Environment"]["Variables"]
    unreleased = variables["TOOLS_FUNCTION"].removesuffix(":live")
    wrong = {"Variables": variables | {"TOOLS_FUNCTION": unreleased}}
    with publish(functions, live, Environment=wrong) as broken:
        faults = check(functions, broken)
    assert faults == [
        "worker: the tool 'calculator' said ToolsUnreachable: the tools function cannot be called: "
        "AccessDeniedException, and not 42"
    ]
