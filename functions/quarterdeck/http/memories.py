"""Routes of what crews have learned: reading it, and erasing it for good."""

import time
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from quarterdeck.errors import FieldError, InvalidInput, crew_not_found
from quarterdeck.http.access import needs, open_system, services_of
from quarterdeck.http.documentation import describe_answers
from quarterdeck.http.pagination import PAGE_SIZE, Cursor, Limit
from quarterdeck.http.services import Services
from quarterdeck.memory.erasure import erase_memories
from quarterdeck.memory.filters import Filter
from quarterdeck.memory.pages import find_page
from quarterdeck.memory.paths import ROOT, normalize_path
from quarterdeck.memory.records import Memory
from quarterdeck.memory.store import MemoryStore
from quarterdeck.names import Name, format_time, read_clock
from quarterdeck.systems.records import System
from quarterdeck.systems.store import refuse_while_restoring

router = APIGatewayHttpRouter()

LONGEST_SCOPE = 1000
ERASING_SECONDS = 10.0
"""Of a request's 20; what is left is erased by the next."""

Scope = Annotated[
    str, Query(max_length=LONGEST_SCOPE, description="A path; what is below it is meant as well.")
]


class MemoryView(BaseModel):
    """`importance` is from 0 to 1. `metadata` is what the crew's model has found in it."""

    memory_id: str
    crew: str
    scope: str
    content: str
    categories: list[str]
    importance: float
    metadata: dict[str, Any]
    source: str | None = None
    private: bool
    created_at: str
    last_accessed: str


class MemoryList(BaseModel):
    memories: list[MemoryView]
    next_cursor: str | None = None


class ErasureAnswer(BaseModel):
    """How many memories had content that is gone now. With some `left`, ask again."""

    erased: int
    left: int


@router.get(
    "/crews/<system_id>/memories",
    summary="List what crews have learned, newest first",
    description="`query` searches by words, not by meaning as crews do: each of them is to be in "
    "the content, in any case.",
    tags=["memories"],
    security=needs("read"),
    responses=describe_answers(MemoryList, 404),
)
def list_memories(
    system_id: str,
    crew: Annotated[
        Name | None, Query(description="Of this one alone; otherwise of the current version's.")
    ] = None,
    scope: Scope = ROOT,
    query: Annotated[str | None, Query(max_length=1000, description="Words.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> MemoryList:
    system = open_system(router, system_id)
    cursors = services_of(router).cursors
    name = f"memories of {system_id}"
    page = find_page(
        open_stores(system, crew),
        Filter(scope=normalize_path(scope)),
        words=(query or "").split(),
        limit=limit,
        after=cursors.read(name, cursor),
    )
    return MemoryList(
        memories=[view_memory(*found) for found in page.found],
        next_cursor=cursors.write(name, page.last),
    )


@router.delete(
    "/crews/<system_id>/memories",
    summary="Erase a memory, or all of a scope, for good",
    description="Give `memory_id` or `scope`; `/` is everything. Backups are not changed, but no "
    "restore brings back what is erased: neither the memory, nor whatever was learned in the "
    "scope until now. Asking again does no harm.",
    tags=["memories"],
    security=needs("admin"),
    responses=describe_answers(ErasureAnswer, 404),
)
def delete_memories(
    system_id: str,
    crew: Annotated[Name, Query(description="Whose.")],
    memory_id: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    scope: Annotated[str | None, Query(max_length=LONGEST_SCOPE)] = None,
) -> ErasureAnswer:
    system = open_system(router, system_id)
    refuse_while_restoring(system)
    (store,) = open_stores(system, crew)
    deadline = time.monotonic() + ERASING_SECONDS
    erased = erase_memories(
        store,
        read_clock(),
        **choose_erased(memory_id, scope),
        is_late=lambda: time.monotonic() > deadline,
    )
    return ErasureAnswer(**erased._asdict())


def choose_erased(memory_id: str | None, scope: str | None) -> dict[str, Any]:
    if memory_id is not None and scope is None:
        return {"record_ids": [memory_id]}
    if scope and memory_id is None:
        return {"scope": scope}
    raise InvalidInput([FieldError("memory_id", "give it or scope, one of the two")])


def open_stores(system: System, crew: str | None) -> list[MemoryStore]:
    """Of one crew, or of all; one of an earlier version is named to be read, or erased."""
    if crew is None:
        return [open_store(services_of(router), system, name) for name in system.crews]
    store = open_store(services_of(router), system, crew)
    if crew not in system.crews and not store.list_erasable():
        raise InvalidInput([crew_not_found("crew", crew, system.crews)])
    return [store]


def open_store(services: Services, system: System, crew: str) -> MemoryStore:
    return MemoryStore(services.table, services.blobs, system.scope, crew)


def count_memories(services: Services, system: System) -> dict[Name, int]:
    """How many each crew of the current version has."""
    return {crew: open_store(services, system, crew).count() for crew in system.crews}


def view_memory(crew: str, memory: Memory) -> MemoryView:
    return MemoryView(
        memory_id=memory.record_id,
        crew=crew,
        scope=memory.scope,
        content=memory.content,
        categories=list(memory.categories),
        importance=memory.importance,
        metadata=dict(memory.metadata),
        source=memory.source,
        private=memory.private,
        created_at=format_time(memory.created_at),
        last_accessed=format_time(memory.last_accessed),
    )
