"""Who may use a route: said once, in its declaration, and asked before what was sent is read.

`security=needs("run")` is OpenAPI's own field: the document tells what is enforced here.
"""

from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver, Route, Router
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
)

from quarterdeck.errors import system_not_found
from quarterdeck.http.services import Services
from quarterdeck.identity.principal import KeyScope, Principal
from quarterdeck.names import LONGEST_ID, is_id
from quarterdeck.systems.records import System

type Security = list[dict[str, list[str]]]

SCHEME = "key"
PUBLIC: Security = [{}]
"""Of routes that the gateway lets through without a key."""


def needs(scope: KeyScope) -> Security:
    """The declaration of a route for keys with the scope."""
    return [{SCHEME: [scope]}]


def require_declarations(routes: Iterable[Route]) -> None:
    """TypeError naming each route that does not say who may use it."""
    silent = [f"{route.method} {route.path}" for route in routes if not route.security]
    if silent:
        raise TypeError(f"without security=needs(SCOPE): {', '.join(silent)}")


class AccessCheck(OpenAPIRequestValidationMiddleware):
    """Who may not use a route is not told what is wrong with the request."""

    def handler(self, app: ApiGatewayResolver, next_middleware: NextMiddleware) -> Response[Any]:
        security = app.context["_route"].security
        # Only the route of what is not found declares nothing: see `require_declarations`.
        if security and security != PUBLIC:
            ((scope,),) = security[0].values()
            check_access(app.context["principal"], scope, app.context["_route_args"])
        return super().handler(app, next_middleware)


def check_access(principal: Principal, scope: KeyScope, path: dict[str, str]) -> None:
    """NotFound for a system that is not the key's; Forbidden without scope, or for too few systems.

    What an admin does outside of a system concerns all of them.
    """
    system_id = path.get("system_id")
    if system_id is not None:
        if not is_id(system_id):
            raise system_not_found(system_id[:LONGEST_ID])
        principal.require_system(system_id)
    principal.require_scope(scope)
    if system_id is None and scope == "admin":
        principal.require_environment()


def services_of(router: Router) -> Services:
    services: Services = router.context["services"]
    return services


def principal_of(router: Router) -> Principal:
    principal: Principal = router.context["principal"]
    return principal


def open_system(router: Router, system_id: str) -> System:
    """The system of the path; NotFound if there is none."""
    return services_of(router).systems.get(system_id)
