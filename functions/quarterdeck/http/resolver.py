"""The one HTTP resolver: routes, validation, and errors as problems."""

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.errors import (
    MethodNotAllowed,
    NotFound,
    QuarterdeckError,
)
from quarterdeck.faults import read_faults
from quarterdeck.http import (
    alerts,
    backups,
    deployments,
    keys,
    memories,
    metrics,
    questions,
    restores,
    scale,
    service,
    systems,
    task_events,
    task_history,
    tasks,
)
from quarterdeck.http.access import AccessCheck, require_declarations
from quarterdeck.http.bodies import read_body
from quarterdeck.http.problems import render_problem
from quarterdeck.http.services import Services
from quarterdeck.http.tracing import HEADER, find_task, name_request, read_correlation_id
from quarterdeck.identity.principal import unpack_principal
from quarterdeck.observability import Trace, follow, logger

LONGEST_LOGGED = 1000


AS_IT_IS = frozenset({"arguments", "data", "output_schema"})
"""Fields whose value is JSON of a team's own: null says something there."""


def drop_absent(value: Any) -> Any:
    """`value` without the fields that are null: a field without a value is left out."""
    match value:
        case dict():
            return {
                name: part if name in AS_IT_IS else drop_absent(part)
                for name, part in value.items()
                if part is not None
            }
        case list():
            return [drop_absent(entry) for entry in value]
    return value


def serialize(answer: Any) -> str:
    """As UTF-8: escaped, a page of another script than Latin would be too large for an answer."""
    return json.dumps(drop_absent(answer), ensure_ascii=False, separators=(",", ":"))


app = APIGatewayHttpResolver(enable_validation=True, serializer=serialize)
# An answer that is not as it should be is our failure, and not told as the caller's. Powertools'
# own setting of it would document a body of its own.
app._response_validation_middleware._has_response_validation_error = True
for resource in (
    service,
    systems,
    deployments,
    scale,
    tasks,
    task_events,
    questions,
    task_history,
    metrics,
    memories,
    alerts,
    backups,
    restores,
    keys,
):
    app.include_router(resource.router)
# Powertools validates before every middleware, and has no public way to be first. Nor has it one
# to list the routes.
app._request_validation_middleware = AccessCheck()  # type: ignore[no-untyped-call]
ROUTES = app._static_routes + app._dynamic_routes
require_declarations(ROUTES)


def refuse(error: QuarterdeckError) -> Response[str]:
    logger.info("Refused", problem=error.type, detail=error.detail[:LONGEST_LOGGED])
    return render_problem(error)


@app.exception_handler(QuarterdeckError)
def answer_problem(error: QuarterdeckError) -> Response[str]:
    return refuse(error)


@app.exception_handler(RequestValidationError)
def answer_invalid(error: RequestValidationError) -> Response[str]:
    return refuse(read_faults(error.errors()))


@app.not_found
def answer_unrouted(_: NotFoundError) -> Response[str]:
    method, path = app.current_event.http_method.upper(), app.current_event.path
    allowed = sorted({route.method for route in ROUTES if route.rule.match(path)})
    if method == "OPTIONS":
        # A browser's preflight: the gateway adds what CORS says.
        return Response(status_code=204, headers={"Allow": ", ".join(allowed)})
    if allowed:
        return refuse(MethodNotAllowed(method, allowed))
    return refuse(NotFound(f"there is nothing at {path}"))


@app.exception_handler(Exception)
def answer_failure(error: Exception) -> Response[str]:
    logger.exception("Failed", exc_info=error)
    return render_problem(QuarterdeckError("the failure is in the log under this request's id"))


def resolve(event: dict[str, Any], context: LambdaContext, services: Services) -> dict[str, Any]:
    """The answer to one event of an HTTP API (payload 2.0)."""
    trace = Trace(find_task(event), name_request(event))
    try:
        trace = trace._replace(correlation_id=read_correlation_id(event))
        event = event | read_body(event)
    except QuarterdeckError as error:
        with follow(trace):
            problem = refuse(error)
        answer: dict[str, Any] = {
            "statusCode": problem.status_code,
            "headers": {"Content-Type": problem.content_type},
            "body": problem.body,
        }
    else:
        with follow(trace):
            answer = resolve_route(event, context, services)
    answer["headers"] = {**answer.get("headers", {}), HEADER: trace.correlation_id}
    return answer


def resolve_route(
    event: dict[str, Any], context: LambdaContext, services: Services
) -> dict[str, Any]:
    authorizer = event["requestContext"].get("authorizer", {}).get("lambda")
    app.append_context(
        services=services, principal=unpack_principal(authorizer) if authorizer else None
    )
    return app.resolve(event, context)
