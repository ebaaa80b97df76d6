"""The HTTP API: everything behind the authorizer but what is public on purpose."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from infra.environment import DIRECTORY
from tests.stack.conftest import Assembly

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


def test_a_domain_is_mapped_to_the_api(
    synthesise: Callable[..., Assembly], production: Assembly, tmp_path: Path
) -> None:
    certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    domain = {"name": "crews.team.example", "certificate_arn": certificate}
    settings = yaml.safe_load((DIRECTORY / "production.yaml").read_text())
    (tmp_path / "production.yaml").write_text(yaml.safe_dump(settings | {"domain": domain}))
    named = synthesise("production", directory=tmp_path)

    [(logical_id, made)] = named.find("AWS::ApiGatewayV2::DomainName").items()
    assert made["DomainName"] == "crews.team.example"
    [configured] = made["DomainNameConfigurations"]
    assert configured["CertificateArn"] == certificate
    mapping = named.find_one("AWS::ApiGatewayV2::ApiMapping")
    [api] = named.find("AWS::ApiGatewayV2::Api")
    assert (mapping["ApiId"], mapping["DomainName"]) == ({"Ref": api}, {"Ref": logical_id})
    template = json.loads(named.templates[1].read_text())
    assert template["Outputs"]["ApiDomainTarget"]["Value"] == {
        "Fn::GetAtt": [logical_id, "RegionalDomainName"]
    }
    added = named.service.keys() - production.service.keys()
    assert {named.service[each]["Type"] for each in added} == {
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::ApiMapping",
    }


def test_the_gateway_waits_longer_than_the_function(assembly: Assembly) -> None:
    _, api = assembly.functions()["api"]
    integration = assembly.find_one("AWS::ApiGatewayV2::Integration")
    assert api["Timeout"] * 1000 < integration.get("TimeoutInMillis", 30_000)
