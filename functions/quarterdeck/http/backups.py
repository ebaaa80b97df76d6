"""Routes of backups: making one, reading them and how far they are, verifying one."""

from http import HTTPStatus
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.backups.archive.layout import Part
from quarterdeck.backups.records import Backup, Job, JobStatus, Origin, Verification
from quarterdeck.backups.retention import list_expired
from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.moments import Moment
from quarterdeck.http.once import IdempotencyKey, do_once
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.http.services import Services
from quarterdeck.names import read_clock
from quarterdeck.observability import logger

router = APIGatewayHttpRouter()

WouldExpireBy = Annotated[
    Moment | None,
    Query(
        description="A dry run of retention: the backups that it would have removed by then, the "
        "oldest first, all at once. UTC unless it says otherwise."
    ),
]


class BackupStage(BaseModel):
    """Of a backup that runs."""

    stage: Literal["reading", "verifying"]
    part: Part | None = None
    """That is read now."""
    chunks: int
    """That are written."""
    verified_chunks: int
    bytes: int
    """Of what was read."""


class BackupView(BaseModel):
    """`timestamp`: all that was acknowledged before it is in the backup."""

    backup_id: str
    system_id: str
    timestamp: str
    status: JobStatus
    origin: Origin
    """`safety`: a restore made it, before it began."""
    version: int
    """Of the configuration that was current."""
    size: int | None = None
    """Of what is stored, in bytes."""
    parts: dict[Part, int]
    """How many records of each it has, so far."""
    encrypted: bool
    storage: Literal["cloud", "cloud_cold"]
    progress: BackupStage | None = None
    reasons: list[str] | None = None
    """Why it failed; while it runs, what went wrong in the attempts since it last came further."""
    ended_at: str | None = None
    verified_at: str | None = None
    """When all of it was last read back, and was as it was written."""
    restore_proven_at: str | None = None
    """When a restore of it was last compared with what was backed up, and was the same."""
    damage: str | None = None
    """What a verification found wrong with it."""
    expires_at: str
    """The last good backup is kept beyond it."""


class BackupAnswer(BaseModel):
    backup: BackupView


class BackupList(BaseModel):
    backups: list[BackupView]
    next_cursor: str | None = None


class VerificationView(BaseModel):
    verification_id: str
    backup_id: str
    status: JobStatus
    """`failed`: it is damaged, or could not be read."""
    chunks: int
    """That were read so far."""
    reasons: list[str] | None = None
    started_at: str
    ended_at: str | None = None


class VerificationAnswer(BaseModel):
    verification: VerificationView


@router.post(
    "/crews/<system_id>/backup",
    summary="Back a system up",
    description="What was acknowledged before is in it. One runs at a time: 409 with the other's "
    "id.",
    tags=["backups"],
    security=needs("operate"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(BackupAnswer, 404, 409, status=202),
)
def back_up_system(
    system_id: str, idempotency_key: IdempotencyKey = None
) -> Response[BackupAnswer]:
    system = open_system(router, system_id)
    services = services_of(router)
    backups, plan = services.backups, services.systems.get_plan(system)
    backup, replayed = do_once(
        router,
        idempotency_key,
        lambda once: backups.begin(system, plan, "request", read_clock(), once=once),
        lambda made: backups.get(system_id, made["job_id"]),
    )
    if not replayed:
        send_job(services, backup)
    location = f"/crews/{system_id}/backups/{backup.backup_id}"
    return answer_accepted(location, replayed, BackupAnswer(backup=view_backup(backup)))


@router.get(
    "/crews/<system_id>/backups",
    summary="List the backups of a system, newest first",
    tags=["backups"],
    security=needs("read"),
    responses=describe_answers(BackupList, 404),
)
def list_backups(
    system_id: str,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
    would_expire_by: WouldExpireBy = None,
) -> BackupList:
    open_system(router, system_id)
    services = services_of(router)
    if would_expire_by is not None:
        known = services.backups.list_all(system_id)
        expired = list_expired(known, would_expire_by)
        return BackupList(backups=[view_backup(backup) for backup in expired])
    of_list = f"backups of {system_id}"
    start = services.cursors.read(of_list, cursor)
    page = services.backups.list_page(system_id, limit, start)
    return BackupList(
        backups=[view_backup(Backup.model_validate(item)) for item in page.items],
        next_cursor=services.cursors.write(of_list, page.last_key),
    )


@router.get(
    "/crews/<system_id>/backups/<backup_id>",
    summary="Read a backup, and how far it is",
    tags=["backups"],
    security=needs("read"),
    responses=describe_answers(BackupAnswer, 404),
)
def get_backup(system_id: str, backup_id: str) -> BackupAnswer:
    open_system(router, system_id)
    return BackupAnswer(backup=view_backup(services_of(router).backups.get(system_id, backup_id)))


@router.post(
    "/crews/<system_id>/backups/<backup_id>/verify",
    summary="Read a backup back, and compare it with what was written",
    tags=["backups"],
    security=needs("operate"),
    status_code=HTTPStatus.ACCEPTED,
    responses=describe_answers(VerificationAnswer, 404, 409, status=202),
)
def verify_backup(
    system_id: str, backup_id: str, idempotency_key: IdempotencyKey = None
) -> Response[VerificationAnswer]:
    open_system(router, system_id)
    services = services_of(router)
    backups = services.backups
    backup = backups.get(system_id, backup_id)
    job, replayed = do_once(
        router,
        idempotency_key,
        lambda once: backups.begin_verification(backup, read_clock(), once),
        lambda made: backups.get_verification(system_id, made["job_id"]),
    )
    if not replayed:
        send_job(services, job)
    location = f"/crews/{system_id}/verifications/{job.job_id}"
    return answer_accepted(
        location, replayed, VerificationAnswer(verification=view_verification(job))
    )


@router.get(
    "/crews/<system_id>/verifications/<verification_id>",
    summary="Read a verification of a backup, and how far it is",
    tags=["backups"],
    security=needs("read"),
    responses=describe_answers(VerificationAnswer, 404),
)
def get_verification(system_id: str, verification_id: str) -> VerificationAnswer:
    open_system(router, system_id)
    job = services_of(router).backups.get_verification(system_id, verification_id)
    return VerificationAnswer(verification=view_verification(job))


def answer_accepted[A: BaseModel](location: str, replayed: dict[str, str], body: A) -> Response[A]:
    return Response(
        status_code=HTTPStatus.ACCEPTED,
        content_type=APPLICATION_JSON,
        headers={"Location": location, "Retry-After": "5", **replayed},
        body=body,
    )


def send_job(services: Services, job: Job) -> None:
    """Sets it going; what cannot be sent now, the monitor sends within minutes."""
    try:
        services.backup_queue.send(job.message)
    except Exception:
        logger.exception("A job could not be queued", job_id=job.job_id)


def view_backup(backup: Backup) -> BackupView:
    kept = backup.model_dump(
        include=set(BackupView.model_fields) - {"parts", "progress", "reasons"}
    )
    return BackupView(
        **kept,
        backup_id=backup.backup_id,
        timestamp=backup.started_at,
        parts=backup.progress.records,
        encrypted=backup.plan.encryption_enabled,
        storage=backup.plan.storage,
        progress=view_stage(backup) if backup.status == "running" else None,
        reasons=list(backup.reasons or backup.faults) or None,
        expires_at=backup.expires,
    )


def view_stage(backup: Backup) -> BackupStage:
    progress = backup.progress
    return BackupStage(
        stage="reading" if progress.part else "verifying",
        part=progress.part,
        chunks=sum(progress.chunks.values()),
        verified_chunks=progress.verified_chunks,
        bytes=progress.plain_bytes,
    )


def view_verification(job: Verification) -> VerificationView:
    return VerificationView(
        **job.model_dump(include={"backup_id", "status", "chunks", "started_at", "ended_at"}),
        verification_id=job.job_id,
        reasons=list(job.reasons) or None,
    )
