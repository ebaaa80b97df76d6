"""GET /health, /openapi.json and /docs: public."""

from pathlib import Path

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import NotFound
from quarterdeck.http.access import PUBLIC, services_of
from quarterdeck.http.documentation import describe_answers

router = APIGatewayHttpRouter()

BUNDLE = Path(__file__).parents[2]


class Health(BaseModel):
    status: str
    environment: str


@router.get(
    "/health",
    summary="Whether the API answers",
    tags=["service"],
    security=PUBLIC,
    responses=describe_answers(Health),
)
def get_health() -> Health:
    return Health(status="ok", environment=services_of(router).settings.environment)


@router.get("/openapi.json", include_in_schema=False, security=PUBLIC)
def get_openapi() -> Response[str]:
    return send_document("openapi.json", "application/json")


@router.get("/docs", include_in_schema=False, security=PUBLIC)
def get_docs() -> Response[str]:
    return send_document("docs.html", "text/html; charset=utf-8")


def send_document(name: str, content_type: str) -> Response[str]:
    """A document that is made when the bundle is built (layers/build.py)."""
    path = BUNDLE / name
    if not path.exists():
        raise NotFound(f"this bundle was built without {name}")
    return Response(status_code=200, content_type=content_type, body=path.read_text())
