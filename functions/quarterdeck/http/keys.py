"""Routes of API keys."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import FieldError, InvalidInput, NotFound
from quarterdeck.http.access import needs, principal_of, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.identity.keys import KeyRequest, KeyView, view_key
from quarterdeck.names import read_clock
from quarterdeck.systems.store import SystemStore

router = APIGatewayHttpRouter()


class KeyAnswer(KeyView):
    key: str
    """Not shown again."""


class KeyList(BaseModel):
    keys: list[KeyView]
    next_cursor: str | None = None


@router.post(
    "/keys",
    summary="Make an API key",
    description="The answer alone holds the key. It grants no scope that the asking key lacks. "
    "Without `systems` it is good for all of them; it ends after `expires_in_days`, with null "
    "never.",
    tags=["keys"],
    security=needs("admin"),
    status_code=HTTPStatus.CREATED,
    responses=describe_answers(KeyAnswer, status=HTTPStatus.CREATED),
)
def create_key(request: KeyRequest) -> Response[KeyAnswer]:
    maker = principal_of(router)
    maker.require_grantable(request.scopes)
    services = services_of(router)
    require_systems(services.systems, request.systems or ())
    key, view = services.keys.create(request, maker, read_clock())
    return Response(
        status_code=HTTPStatus.CREATED,
        content_type=APPLICATION_JSON,
        headers={"Cache-Control": "no-store"},
        body=KeyAnswer(key=key, **view.model_dump()),
    )


def require_systems(systems: SystemStore, asked: tuple[str, ...]) -> None:
    """InvalidInput naming each system that there is not."""
    errors = []
    for place, system_id in enumerate(asked):
        try:
            systems.get(system_id)
        except NotFound as error:
            errors.append(FieldError(f"systems[{place}]", error.detail))
    if errors:
        raise InvalidInput(errors)


@router.get(
    "/keys",
    summary="List API keys, newest first",
    description="`start` is how a key begins. `last_used_at` is noted once an hour.",
    tags=["keys"],
    security=needs("admin"),
    responses=describe_answers(KeyList),
)
def list_keys(limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> KeyList:
    services = services_of(router)
    page = services.keys.list_page(limit, services.cursors.read("keys", cursor))
    return KeyList(
        keys=[view_key(entry) for entry in page.items],
        next_cursor=services.cursors.write("keys", page.last_key),
    )


@router.delete(
    "/keys/<key_id>",
    summary="Revoke an API key",
    description="It is refused within a minute: the gateway keeps what it knows of a key for as "
    "long. 404 for a key that is not there, also the second time.",
    tags=["keys"],
    security=needs("admin"),
    status_code=HTTPStatus.NO_CONTENT,
    responses=describe_answers(None, 404, status=HTTPStatus.NO_CONTENT),
)
def revoke_key(key_id: str) -> Response[str]:
    services_of(router).keys.revoke(key_id)
    # An empty text: the emulator takes no null for a body.
    return Response(status_code=HTTPStatus.NO_CONTENT, body="")
