"""ETags of answers (RFC 9110): whoever has the answer already is told so, without it."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Header
from pydantic import BaseModel

IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="`ETag`s of answers that are known: 304 without a body if it is one of them.",
    ),
]

Empty = Literal[""]
"""The emulator takes no null for a body."""


def make_etag(answer: BaseModel) -> str:
    """Another one whenever anything in the answer is another."""
    return f'"{hashlib.sha256(answer.model_dump_json().encode()).hexdigest()[:32]}"'


def list_etags(header: str) -> set[str]:
    """Those of If-Match or If-None-Match; what a proxy has weakened is compared as it was."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def answer_unless_known[M: BaseModel](answer: M, if_none_match: str | None) -> Response[M | Empty]:
    """200 with the answer, or 304."""
    etag = make_etag(answer)
    known = list_etags(if_none_match or "")
    if etag in known or "*" in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag}, body="")
    return Response(
        status_code=HTTPStatus.OK,
        content_type=APPLICATION_JSON,
        headers={"ETag": etag, "Cache-Control": "private, no-cache"},
        body=answer,
    )
