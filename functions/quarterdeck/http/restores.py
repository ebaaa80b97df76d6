"""Routes of restores: of a system into itself or a new one, and the proof that one can be made."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel, ConfigDict, Field

from quarterdeck.backups.archive.layout import PARTS, Part
from quarterdeck.backups.requests import begin_restore, begin_restore_test, find_restore
from quarterdeck.backups.restores import Phase, Restore
from quarterdeck.http.access import needs, open_system, principal_of, services_of
from quarterdeck.http.backups import answer_accepted
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.once import IdempotencyKey, do_once
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.http.services import Services
from quarterdeck.idempotency import Once
from quarterdeck.keys import RESTORE_PREFIX, restore_key
from quarterdeck.names import Name, read_clock
from quarterdeck.observability import logger
from quarterdeck.systems.lifecycle import API_SECONDS
from quarterdeck.table import Item

router = APIGatewayHttpRouter()


class RestoreRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: tuple[Part, ...] = PARTS
    """What is not named stays as it is."""
    into: Name | None = None
    """The name of a new system, which it is restored into; without it, the system itself."""
    dry_run: bool = Field(default=False, strict=True)
    """Reads all of the backup, counts what would be written, and changes nothing."""


class RestoreView(BaseModel):
    """`timestamp`: when it ended, or began; `items`: written so far."""

    restore_id: str
    kind: Literal["restore", "restore_test"]
    system_id: str
    backup_id: str
    status: Literal["running", "restored", "proven", "checked", "failed"]
    """`restored` as soon as the system shows it; `proven`: a test; `checked`: a dry run."""
    timestamp: str
    phase: Phase | None = None
    """While it runs."""
    parts: list[Part]
    into: str | None = None
    restored_system_id: str | None = None
    """That shows what was restored."""
    dry_run: bool
    items: dict[Part, int]
    interrupted: int
    """Tasks that had not ended when they were backed up: they are `interrupted` now."""
    left_out: int
    """Records that have expired since they were backed up."""
    safety_backup_id: str | None = None
    """Of the system as it was before."""
    reasons: list[str] | None = None
    """Why it failed."""
    started_at: str
    ended_at: str | None = None


class RestoreAnswer(BaseModel):
    restore: RestoreView


class RestoreList(BaseModel):
    restores: list[RestoreView]
    next_cursor: str | None = None


@router.post(
    "/crews/<system_id>/backups/<backup_id>/restore",
    summary="Restore a backup",
    description="Into the system itself: it takes no task meanwhile (503), a safety backup is "
    "made first, and what is restored shows at once or not at all. Tasks that live become "
    "`interrupted`. Or into a new system, while this one goes on.",
    tags=["backups"],
    security=needs("admin"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(RestoreAnswer, 404, 409, status=202),
)
def restore_backup(
    system_id: str,
    backup_id: str,
    request: RestoreRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[RestoreAnswer]:
    system = open_system(router, system_id)
    services, asked = services_of(router), request or RestoreRequest()
    if asked.into is not None:
        principal_of(router).require_environment()
    backup = services.backups.get(system_id, backup_id)

    def begin(once: Once | None) -> Restore:
        return begin_restore(
            services.systems,
            services.backups,
            system,
            backup,
            parts=asked.parts,
            into=asked.into,
            dry_run=asked.dry_run,
            now=read_clock(),
            once=once,
        )

    return answer_begun(services, system_id, idempotency_key, begin)


@router.post(
    "/crews/<system_id>/backups/<backup_id>/test",
    summary="Prove that a backup can be restored",
    description="Restores it where nobody looks, compares it item by item, and removes it again. "
    "The system goes on. The backup's `restore_proven_at` says when it was found to be the same.",
    tags=["backups"],
    security=needs("operate"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(RestoreAnswer, 404, 409, status=202),
)
def prove_backup(
    system_id: str, backup_id: str, idempotency_key: IdempotencyKey = None
) -> Response[RestoreAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)
    backup = services.backups.get(system_id, backup_id)

    def begin(once: Once | None) -> Restore:
        return begin_restore_test(services.systems, system, backup, read_clock(), once)

    return answer_begun(services, system_id, idempotency_key, begin)


@router.get(
    "/crews/<system_id>/restores",
    summary="List restores and restore tests of a system, newest first",
    tags=["backups"],
    security=needs("read"),
    responses=describe_answers(RestoreList, 404),
)
def list_restores(system_id: str, limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> RestoreList:
    open_system(router, system_id)
    services = services_of(router)
    of_list = f"restores of {system_id}"
    page = services.table.query_newest(
        restore_key(system_id, "").pk,
        RESTORE_PREFIX,
        limit=limit,
        start=services.cursors.read(of_list, cursor),
    )
    return RestoreList(
        restores=[view_restore(Restore.model_validate(item)) for item in page.items],
        next_cursor=services.cursors.write(of_list, page.last_key),
    )


@router.get(
    "/crews/<system_id>/restores/<restore_id>",
    summary="Read a restore, and how far it is",
    tags=["backups"],
    security=needs("read"),
    responses=describe_answers(RestoreAnswer, 404),
)
def get_restore(system_id: str, restore_id: str) -> RestoreAnswer:
    open_system(router, system_id)
    restore = find_restore(services_of(router).table, system_id, restore_id)
    return RestoreAnswer(restore=view_restore(restore))


def answer_begun(
    services: Services,
    system_id: str,
    idempotency_key: str | None,
    begin: Callable[[Once | None], Restore],
) -> Response[RestoreAnswer]:
    """A message too many does no harm; one that cannot be sent, the monitor sends in minutes."""

    def recall(made: Item) -> Restore:
        return find_restore(services.table, system_id, made["restore_id"])

    restore, replayed = do_once(router, idempotency_key, begin, recall)
    try:
        delay_s = API_SECONDS if restore.replaces else 0
        services.backup_queue.send(restore.message, delay_s=delay_s)
    except Exception:
        logger.exception("A restore could not be queued", restore_id=restore.job_id)
    location = f"/crews/{restore.system_id}/restores/{restore.job_id}"
    return answer_accepted(location, replayed, RestoreAnswer(restore=view_restore(restore)))


def view_restore(restore: Restore) -> RestoreView:
    kept = restore.model_dump(include=set(RestoreView.model_fields) - {"status", "phase"})
    return RestoreView(
        **kept | {"reasons": list(restore.reasons) or None},
        restore_id=restore.job_id,
        status=restore.outcome or ("failed" if restore.status == "failed" else "running"),
        timestamp=restore.ended_at or restore.started_at,
        phase=restore.phase if restore.status == "running" else None,
        restored_system_id=restore.target_id if restore.outcome == "restored" else None,
    )
