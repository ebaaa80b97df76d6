"""/openapi.json and /docs, made when the bundle is built: too slow to make for a request."""

import json
import sys
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi import swagger_ui
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

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
        security_schemes={"key": HTTPBearer(description="`Authorization: Bearer KEY`")},
        security=[{"key": []}],
    )
    document: dict[str, Any] = json.loads(text)
    return document


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
