"""Every error of ours as application/problem+json (RFC 9457)."""

import json
from typing import Any

from aws_lambda_powertools.event_handler import Response

from quarterdeck.errors import QuarterdeckError

PROBLEM_JSON = "application/problem+json"


def render_problem(error: QuarterdeckError) -> Response[str]:
    problem: dict[str, Any] = {
        "type": f"urn:quarterdeck:problem:{error.type}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    if error.errors:
        problem["errors"] = [entry._asdict() for entry in error.errors]
    return Response(
        status_code=error.status,
        content_type=PROBLEM_JSON,
        headers=dict(error.headers),
        body=json.dumps(problem),
    )
