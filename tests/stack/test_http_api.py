"""The HTTP API: everything behind the authorizer but what is public on purpose."""

import json
from collections.abc import Callable

import pytest

from tests.stack.conftest import Assembly, flatten

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
    assert assembly.find_live(authorizer["AuthorizerUri"]) == "authorizer"


def test_requests_are_throttled_and_logged_as_json(assembly: Assembly) -> None:
    stage = assembly.find_one("AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] > 0
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"request_id", "status", "path"} <= set(line)
    # A key or a body would be a secret in a log.
    assert not [field for field in line.values() if "header" in field or "body" in field]


def list_added(dressed: Assembly, plain: Assembly) -> set[str]:
    """The types of what it has besides."""
    added = dressed.service.keys() - plain.service.keys()
    return {dressed.service[logical_id]["Type"] for logical_id in added}


def test_a_domain_is_mapped_and_starts_are_from_a_snapshot(
    dress: Callable[..., Assembly], production: Assembly, lint: Callable[[Assembly], None]
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
    # A version is another one with a snapshot.
    assert list_added(named, production) == {
        "AWS::ApiGatewayV2::DomainName",
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::Lambda::Version",
    }
    [version] = [v for name, v in named.service.items() if name.startswith("ApiFunctionCurrentV")]
    assert version["DeletionPolicy"] == "Delete"
    lint(named)


def test_instances_of_the_api_are_kept_ready(dress: Callable[..., Assembly]) -> None:
    ready = dress(provisioned_concurrency=2)
    aliases = ready.find("AWS::Lambda::Alias").values()
    [alias] = [alias for alias in aliases if "ProvisionedConcurrencyConfig" in alias]
    assert alias["FunctionName"] == {"Ref": ready.functions()["api"][0]}
    assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert not [each for _, each in ready.functions().values() if "SnapStart" in each]


def test_the_gateway_calls_what_is_live(assembly: Assembly) -> None:
    integration = assembly.find_one("AWS::ApiGatewayV2::Integration")
    assert assembly.find_live(integration["IntegrationUri"]) == "api"
    allowed = {
        assembly.find_live(each["FunctionName"])
        for each in assembly.find("AWS::Lambda::Permission").values()
        if each["Principal"] == "apigateway.amazonaws.com"
    }
    assert allowed == {"api", "authorizer"}


def test_a_path_can_be_put_after_the_url_of_the_api(assembly: Assembly) -> None:
    """As the documents do: the gateway takes `//keys` for another path."""
    outputs = json.loads(assembly.templates[1].read_text())["Outputs"]
    [api] = assembly.find("AWS::ApiGatewayV2::Api")
    assert flatten(outputs["ApiUrl"]["Value"]) == (
        f"https://<{api}>.execute-api.<AWS::Region>.<AWS::URLSuffix>"
    )


def test_the_gateway_waits_longer_than_the_function(assembly: Assembly) -> None:
    _, api = assembly.functions()["api"]
    integration = assembly.find_one("AWS::ApiGatewayV2::Integration")
    assert api["Timeout"] * 1000 < integration.get("TimeoutInMillis", 30_000)
