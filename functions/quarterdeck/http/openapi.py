"""/openapi.json and /docs, made when the bundle is built: too slow to make for a request."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi import swagger_ui
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from quarterdeck.http.access import SCHEME
from quarterdeck.http.resolver import app

VERSION = "0.1.0"
OWN_WORDS = {
    "<title>Swagger UI</title>": "<title>Quarterdeck API</title>",
    'currentUrl.pathname + "?format=json"': 'currentUrl.pathname.replace(/docs$/, "openapi.json")',
    'layout: "BaseLayout",': 'layout: "BaseLayout", validatorUrl: null,',
}


def build_openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every route."""
    text = app.get_openapi_json_schema(
        title="Quarterdeck",
        version=VERSION,
        openapi_version="3.1.0",
        description="Deploy crew systems, run tasks, read results.",
        security_schemes={SCHEME: HTTPBearer(description="`Authorization: Bearer KEY`")},
    )
    document: dict[str, Any] = json.loads(text)
    for operation in list_operations(document):
        tell_scope(operation)
    return document


def list_operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        yield from operations.values()


def tell_scope(operation: dict[str, Any]) -> None:
    """Says in the description what `security` declares: pages do not show a key's scopes."""
    scopes = [f"`{scope}`" for each in operation["security"] for scope in each.get(SCHEME, ())]
    if scopes:
        told = f"Scope {', '.join(scopes)}."
        operation["description"] = " ".join(filter(None, (told, operation.get("description"))))


def build_docs(openapi: dict[str, Any]) -> str:
    """Swagger UI with the document, in one page that loads nothing else."""
    assets = Path(swagger_ui.__file__).parent
    page = swagger_ui.generate_swagger_html(
        json.dumps(openapi).replace("</", "<\\/"),
        (assets / "swagger-ui-bundle.min.js").read_text(),
        (assets / "swagger-ui.min.css").read_text(),
        swagger_base_url="",
        oauth2_config=None,
        persist_authorization=False,
    )
    for theirs, ours in OWN_WORDS.items():
        page = page.replace(theirs, ours)
    return page


def write_documents(directory: Path) -> None:
    """`openapi.json` and `docs.html`, as /openapi.json and /docs send them."""
    openapi = build_openapi()
    (directory / "openapi.json").write_text(json.dumps(openapi, sort_keys=True))
    (directory / "docs.html").write_text(build_docs(openapi))


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))
