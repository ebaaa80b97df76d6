"""HTTP API -> routes."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.http.resolver import resolve
from quarterdeck.http.services import load_services


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return resolve(event, context, load_services())
