"""What a route acts with and for whom."""

from aws_lambda_powertools.event_handler.api_gateway import Router

from quarterdeck.http.services import Services
from quarterdeck.identity.principal import KeyScope, Principal
from quarterdeck.systems.store import System


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
    principal.require_system(system_id)
    principal.require_scope(scope)
    return services_of(router).systems.get(system_id)
