"""The HTTP API: everything behind the authorizer but what is public on purpose."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from aws_cdk import App, Stack
from aws_cdk.aws_lambda import CfnVersion, Code, Function, LayerVersion, Runtime

from infra.environment import DIRECTORY
from tests.stack.conftest import CDK_JSON, Assembly, flatten

pytestmark = pytest.mark.xdist_group("synth")

PUBLIC = {"GET /health", "GET /openapi.json", "GET /docs"}


def test_only_three_routes_are_public(production: Assembly) -> None:
    routes = production.find("AWS::ApiGatewayV2::Route").values()
    types = {route["RouteKey"]: route["AuthorizationType"] for route in routes}
    assert types == {"$default": "CUSTOM"} | dict.fromkeys(PUBLIC, "NONE")


def test_preflights_are_public_where_pages_may_call(development: Assembly) -> None:
    routes = development.find("AWS::ApiGatewayV2::Route").values()
    public = {route["RouteKey"] for route in routes if route["AuthorizationType"] == "NONE"}
    assert public == PUBLIC | {"OPTIONS /{path+}"}


def test_origins_are_those_of_the_environment(development: Assembly, production: Assembly) -> None:
    cors = development.find_one("AWS::ApiGatewayV2::Api")["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["http://localhost:3000"]
    assert "authorization" in cors["AllowHeaders"]
    assert "AllowCredentials" not in cors
    assert "CorsConfiguration" not in production.find_one("AWS::ApiGatewayV2::Api")


def test_the_authorizer_reads_one_header_and_is_asked_again_after_a_minute(
    assembly: Assembly,
) -> None:
    authorizer = assembly.find_one("AWS::ApiGatewayV2::Authorizer")
    assert authorizer["AuthorizerType"] == "REQUEST"
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["EnableSimpleResponses"] is True
    assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"
    assert authorizer["AuthorizerResultTtlInSeconds"] == 60
    function, _ = assembly.functions()["authorizer"]
    assert {"Fn::GetAtt": [function, "Arn"]} in authorizer["AuthorizerUri"]["Fn::Join"][1]


def test_requests_are_throttled_and_logged_as_json(assembly: Assembly) -> None:
    stage = assembly.find_one("AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] > 0
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"request_id", "status", "path"} <= set(line)
    # A key or a body would be a secret in a log.
    assert not [field for field in line.values() if "header" in field or "body" in field]


@pytest.fixture
def dress(
    synthesise: Callable[..., Assembly], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Assembly]:
    """Production with other settings."""

    def dress_production(**settings: Any) -> Assembly:
        directory = tmp_path_factory.mktemp("environments")
        written = yaml.safe_load((DIRECTORY / "production.yaml").read_text())
        (directory / "production.yaml").write_text(yaml.safe_dump(written | settings))
        return synthesise("production", directory=directory)

    return dress_production


def list_added(dressed: Assembly, plain: Assembly) -> set[str]:
    """The types of what it has besides."""
    added = dressed.service.keys() - plain.service.keys()
    return {dressed.service[logical_id]["Type"] for logical_id in added}


def test_a_domain_is_mapped_and_starts_are_from_a_snapshot(
    dress: Callable[..., Assembly], production: Assembly
) -> None:
    certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    domain = {"name": "crews.team.example", "certificate_arn": certificate}
    named = dress(domain=domain, snap_start=True)

    [(logical_id, made)] = named.find("AWS::ApiGatewayV2::DomainName").items()
    assert made["DomainName"] == "crews.team.example"
    [configured] = made["DomainNameConfigurations"]
    assert configured["CertificateArn"] == certificate
    mapping = named.find_one("AWS::ApiGatewayV2::ApiMapping")
    [api] = named.find("AWS::ApiGatewayV2::Api")
    assert (mapping["ApiId"], mapping["DomainName"]) == ({"Ref": api}, {"Ref": logical_id})
    outputs = json.loads(named.templates[1].read_text())["Outputs"]
    target = {"Fn::GetAtt": [logical_id, "RegionalDomainName"]}
    assert outputs["ApiDomainTarget"]["Value"] == target

    snapped = {name for name, (_, function) in named.functions().items() if "SnapStart" in function}
    assert snapped == {"api"}
    check_live(named)
    assert list_added(named, production) == {
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::Lambda::Version",
        "AWS::Lambda::Alias",
    }
    lint(named)


def test_instances_of_the_api_are_kept_ready(dress: Callable[..., Assembly]) -> None:
    ready = dress(provisioned_concurrency=2)
    alias = check_live(ready)
    assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert not [each for _, each in ready.functions().values() if "SnapStart" in each]


def test_another_layer_makes_another_version(tmp_path: Path) -> None:
    """As the project's settings of the CDK have it: else the alias would keep the old layer."""
    context = json.loads(CDK_JSON.read_text())["context"]
    names = set()
    for text in ("one", "another"):
        (tmp_path / text).mkdir()
        (tmp_path / text / "module.py").write_text(text)
        stack = Stack(App(analytics_reporting=False, context=context), "Stack")
        layer = LayerVersion(stack, "Layer", code=Code.from_asset(str(tmp_path / text)))
        function = Function(
            stack,
            "Function",
            runtime=Runtime.PYTHON_3_13,
            handler="index.handle",
            code=Code.from_inline("pass"),
            layers=[layer],
        )
        child = cast(CfnVersion, function.current_version.node.default_child)
        names.add(str(stack.resolve(child.logical_id)))
    assert len(names) == 2


def check_live(assembly: Assembly) -> Any:
    """The alias of the api, which is what the gateway calls and may call."""
    [(logical_id, alias)] = assembly.find("AWS::Lambda::Alias").items()
    assert alias["Name"] == "live"
    assert alias["FunctionName"] == {"Ref": assembly.functions()["api"][0]}
    integration = assembly.find_one("AWS::ApiGatewayV2::Integration")
    assert integration["IntegrationUri"] == {"Ref": logical_id}
    allowed = {
        flatten(each["FunctionName"]): each["Principal"]
        for each in assembly.find("AWS::Lambda::Permission").values()
    }
    assert allowed[f"<{logical_id}>"] == "apigateway.amazonaws.com"
    return alias


def lint(assembly: Assembly) -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *assembly.templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


def test_the_gateway_waits_longer_than_the_function(assembly: Assembly) -> None:
    _, api = assembly.functions()["api"]
    integration = assembly.find_one("AWS::ApiGatewayV2::Integration")
    assert api["Timeout"] * 1000 < integration.get("TimeoutInMillis", 30_000)
