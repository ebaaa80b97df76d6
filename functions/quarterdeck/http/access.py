"""What a route acts with and for whom."""

from aws_lambda_powertools.event_handler.api_gateway import Router

from quarterdeck.errors import system_not_found
from quarterdeck.http.services import Services
from quarterdeck.identity.principal import KeyScope, Principal
from quarterdeck.names import is_id
from quarterdeck.systems.store import System

LONGEST_SHOWN = 64


def services_of(router: Router) -> Services:
    services: Services = router.context["services"]
    return services


def authorize(router: Router, scope: KeyScope) -> Principal:
    """The principal, if it has the scope."""
    principal: Principal = router.context["principal"]
    principal.require_scope(scope)
    return principal


def open_system(router: Router, system_id: str, scope: KeyScope) -> System:
    """The system, if the principal has access to it and the scope."""
    principal: Principal = router.context["principal"]
    if not is_id(system_id):
        raise system_not_found(system_id[:LONGEST_SHOWN])
    principal.require_system(system_id)
    principal.require_scope(scope)
    return services_of(router).systems.get(system_id)
