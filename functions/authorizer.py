"""API Gateway's question whether a key may come in -> principal, or no."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from quarterdeck.identity.keys import KeyStore, read_bearer
from quarterdeck.identity.principal import pack_principal
from quarterdeck.settings import AuthorizerSettings, load_settings
from quarterdeck.table import Table
from quarterdeck.vault import SecretReader


@cache
def load_keys() -> KeyStore:
    settings = load_settings(AuthorizerSettings)
    secrets = SecretReader(boto3.client("secretsmanager"))
    return KeyStore(
        Table(boto3.client("dynamodb"), settings.table_name),
        lambda: secrets.read(settings.admin_key_secret),
    )


def lambda_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    key = read_bearer(event.get("headers", {}).get("authorization"))
    principal = load_keys().identify(key) if key else None
    if principal is None:
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": pack_principal(principal)}
