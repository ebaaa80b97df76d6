"""The HTTP API: everything needs a key but three routes."""

import json
from typing import cast

from aws_cdk import Acknowledgment, CfnOutput, Duration, Stack, Validations
from aws_cdk.aws_apigatewayv2 import (
    ApiMapping,
    CfnStage,
    CorsHttpMethod,
    CorsPreflightOptions,
    DomainName,
    HttpMethod,
    HttpRoute,
    HttpRouteKey,
    HttpStage,
    ThrottleSettings,
)
from aws_cdk.aws_apigatewayv2 import HttpApi as Gateway
from aws_cdk.aws_apigatewayv2_authorizers import HttpLambdaAuthorizer, HttpLambdaResponseType
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from aws_cdk.aws_certificatemanager import Certificate
from aws_cdk.aws_cloudwatch import Metric
from aws_cdk.aws_lambda import IFunction
from constructs import Construct

from infra.environment import Domain, Environment, Target
from infra.log_group import RetainedLogGroup

PUBLIC_PATHS = ("/health", "/openapi.json", "/docs")

ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "key_id": "$context.authorizer.key_id",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "authorizer_error": "$context.authorizer.error",
    "integration_error": "$context.integrationErrorMessage",
}


class HttpApi(Construct):
    """Sends each request to `api` when `authorizer` knows its key; three routes need none."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: Target,
        api: IFunction,
        authorizer: IFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        self._gateway = Gateway(
            self,
            "Gateway",
            api_name=f"quarterdeck-{target.name}",
            create_default_stage=False,
            cors_preflight=_allow_origins(target.environment),
        )
        self._to_api = HttpLambdaIntegration("ToApi", api)
        self._add_routes(authorizer, preflight=bool(target.environment.cors_origins))
        stage = self._add_stage(target.environment)
        # Paths begin with the slash that the CDK ends it with.
        self.url = stage.url.removesuffix("/")
        if domain := target.environment.domain:
            self._add_domain(domain, stage)

    def measure_requests(self, period: Duration) -> list[Metric]:
        """All, those that a caller got wrong, those that we did."""
        return [
            self._gateway.metric_count(period=period, label="all"),
            self._gateway.metric_client_error(period=period, label="4xx"),
            self.measure_server_errors(period).with_(label="5xx"),
        ]

    def measure_server_errors(self, period: Duration) -> Metric:
        return self._gateway.metric_server_error(period=period)

    def measure_latency(self, period: Duration) -> list[Metric]:
        return [
            self._gateway.metric_latency(period=period, statistic=statistic, label=statistic)
            for statistic in ("p50", "p99")
        ]

    def _add_routes(self, authorizer: IFunction, *, preflight: bool) -> None:
        HttpRoute(
            self,
            "CatchAll",
            http_api=self._gateway,
            route_key=HttpRouteKey.DEFAULT,
            integration=self._to_api,
            authorizer=HttpLambdaAuthorizer(
                "Authorizer",
                authorizer,
                identity_source=["$request.header.Authorization"],
                response_types=[HttpLambdaResponseType.SIMPLE],
                # A revoked key lives on for as long.
                results_cache_ttl=Duration.seconds(60),
            ),
        )
        for path in PUBLIC_PATHS:
            self._add_public_route(
                path,
                HttpMethod.GET,
                "Holds nothing of a team: that the API is there, and its documentation.",
            )
        if preflight:
            # A catch-all route takes OPTIONS too, and a browser sends no key with it.
            self._add_public_route(
                "/{path+}", HttpMethod.OPTIONS, "A browser's preflight request carries no key."
            )

    def _add_public_route(self, path: str, method: HttpMethod, reason: str) -> None:
        route = HttpRoute(
            self,
            f"{method.name.title()}{path}".replace("/", "-"),
            http_api=self._gateway,
            route_key=HttpRouteKey.with_(path, method),
            integration=self._to_api,
        )
        Validations.of(route).acknowledge(Acknowledgment(id="AwsSolutions-APIG4", reason=reason))

    def _add_domain(self, domain: Domain, stage: HttpStage) -> None:
        """Its owner points the name at the output `ApiDomainTarget`, by CNAME or alias."""
        certificate = Certificate.from_certificate_arn(self, "Certificate", domain.certificate_arn)
        name = DomainName(self, "Domain", domain_name=domain.name, certificate=certificate)
        ApiMapping(self, "Mapping", api=self._gateway, domain_name=name, stage=stage)
        CfnOutput(Stack.of(self), "ApiDomainTarget", value=name.regional_domain_name)

    def _add_stage(self, environment: Environment) -> HttpStage:
        stage = HttpStage(
            self,
            "Stage",
            http_api=self._gateway,
            stage_name="$default",
            auto_deploy=True,
            # Bounds what a caller in a loop can cost; over it the answer is 429.
            throttle=ThrottleSettings(rate_limit=200, burst_limit=400),
        )
        logs = RetainedLogGroup(self, "AccessLogs", environment)
        resource = cast(CfnStage, stage.node.default_child)
        resource.access_log_settings = CfnStage.AccessLogSettingsProperty(
            destination_arn=logs.log_group_arn, format=json.dumps(ACCESS_LOG)
        )
        return stage


def _allow_origins(environment: Environment) -> CorsPreflightOptions | None:
    if not environment.cors_origins:
        return None
    return CorsPreflightOptions(
        allow_origins=list(environment.cors_origins),
        allow_methods=[
            CorsHttpMethod.GET,
            CorsHttpMethod.POST,
            CorsHttpMethod.PUT,
            CorsHttpMethod.DELETE,
        ],
        allow_headers=[
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "prefer",
            "x-correlation-id",
        ],
        expose_headers=["etag", "location", "retry-after", "x-correlation-id"],
        max_age=Duration.hours(1),
    )
