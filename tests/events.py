"""Events as AWS sends them, from the few words that a test cares about."""

import json
from typing import Any

from quarterdeck.identity.principal import ADMIN, Principal, pack_principal


def http_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    principal: Principal | None = ADMIN,
) -> dict[str, Any]:
    """An HTTP API's event (payload 2.0); a `body` that is no text is sent as JSON."""
    context: dict[str, Any] = {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}}
    context |= {"stage": "$default", "requestId": "request-1"}
    if principal:
        context["authorizer"] = {"lambda": pack_principal(principal)}
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "&".join(f"{k}={v}" for k, v in (query or {}).items()),
        "headers": headers or {},
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]}
