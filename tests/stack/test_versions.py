"""Versions of functions, and the alias that all traffic goes through."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from aws_cdk import App, Stack
from aws_cdk.aws_lambda import CfnVersion, Code, Function, LayerVersion, Runtime

from tests.stack.conftest import CDK_JSON, Assembly, walk

pytestmark = pytest.mark.xdist_group("synth")


def find_versions(assembly: Assembly) -> dict[str, str]:
    """{function: logical id}: another id is another version."""
    functions = {logical_id: name for name, (logical_id, _) in assembly.functions().items()}
    return {
        functions[version["FunctionName"]["Ref"]]: logical_id
        for logical_id, version in assembly.find("AWS::Lambda::Version").items()
    }


def test_each_function_is_live_at_its_latest_version(assembly: Assembly) -> None:
    versions = find_versions(assembly)
    # CodeDeploy starts the check of a release as it was deployed last, and nobody else does.
    assert set(versions) == set(assembly.functions()) - {"release_check"}
    live: dict[Any, Any] = {}
    for alias in assembly.find("AWS::Lambda::Alias").values():
        assert alias["Name"] == "live"
        version, attribute = alias["FunctionVersion"]["Fn::GetAtt"]
        assert attribute == "Version"
        live[version] = alias["FunctionName"]["Ref"]
    functions = assembly.functions()
    assert live == {version: functions[name][0] for name, version in versions.items()}


STARTERS = {
    "AWS::ApiGatewayV2::Integration": "IntegrationUri",
    "AWS::ApiGatewayV2::Authorizer": "AuthorizerUri",
    "AWS::Events::Rule": "Targets",
    "AWS::Lambda::EventSourceMapping": "FunctionName",
    "AWS::Lambda::Permission": "FunctionName",
}


def test_whatever_starts_a_function_goes_through_its_alias(assembly: Assembly) -> None:
    started = {
        assembly.find_live(properties[field])
        for kind, field in STARTERS.items()
        for properties in assembly.find(kind).values()
    }
    assert started == set(assembly.functions()) - {"tools_runner", "release_check"}
    functions = {logical_id for logical_id, _ in assembly.functions().values()}
    for kind, field in STARTERS.items():
        for properties in assembly.find(kind).values():
            # By whichever attribute one would name it.
            assert not functions & {x for x in walk(properties[field]) if isinstance(x, str)}


def test_versions_that_a_release_replaces_stay_until_the_function_goes(assembly: Assembly) -> None:
    for logical_id in find_versions(assembly).values():
        version = assembly.service[logical_id]
        assert version["UpdateReplacePolicy"] == "Retain"
        # Not one whose release was rolled back: Lambda would refuse to publish the same again.
        assert version["DeletionPolicy"] == "RetainExceptOnCreate"


def test_a_version_is_another_one_when_its_function_is(
    production: Assembly, dress: Callable[..., Assembly]
) -> None:
    before = find_versions(production)
    assert find_versions(dress()) == before
    assert not set(find_versions(dress(log_level="ERROR")).values()) & set(before.values())
    frequent = find_versions(dress(backup_frequency="hourly"))
    assert {name for name in before if frequent[name] != before[name]} == {"backup", "deployer"}


def test_other_code_and_another_layer_make_another_version(tmp_path: Path) -> None:
    """As the project's settings of the CDK have it: else the alias would keep the old layer."""

    def name_version(code: str, layer: str) -> str:
        context = json.loads(CDK_JSON.read_text())["context"]
        stack = Stack(App(analytics_reporting=False, context=context), "Stack")
        (tmp_path / layer).mkdir(exist_ok=True)
        (tmp_path / layer / "module.py").write_text(layer)
        function = Function(
            stack,
            "Function",
            runtime=Runtime.PYTHON_3_13,
            handler="index.handle",
            code=Code.from_inline(code),
            layers=[LayerVersion(stack, "Layer", code=Code.from_asset(str(tmp_path / layer)))],
        )
        child = cast(CfnVersion, function.current_version.node.default_child)
        return str(stack.resolve(child.logical_id))

    names = [name_version(*made) for made in (("a", "1"), ("b", "1"), ("a", "2"), ("a", "1"))]
    assert len(set(names)) == 3
    assert names[0] == names[3]
