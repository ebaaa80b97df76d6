"""All that is kept of one task, as one JSON: request, state, outcome, and how it came to it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from quarterdeck.abreast import map_abreast
from quarterdeck.blobs import BlobStore
from quarterdeck.errors import NotFound
from quarterdeck.keys import INDEX_KEYS, Scope, name_part, parse_call_key, parse_trace_key
from quarterdeck.names import format_time, is_id
from quarterdeck.table import Item, Table
from quarterdeck.tasks.event_batches import read_batch
from quarterdeck.tasks.events import dump_event
from quarterdeck.tasks.store import TaskStore, not_found

type Json = dict[str, Any]

INLINE_BYTES = 5_000_000
"""An answer of a function has 6 MB at most, in which this is a text in JSON: with its quotes."""
MOST_BYTES = 50_000_000
READ_AT_ONCE = 8
LEFT_OUT = {"pk", "sk", "expires_at", "claimed_by", "writer", "document", *INDEX_KEYS}


class TaskExport(BaseModel):
    """`request`, `outcome`, `events` and `calls` as the task has left them.

    With `export_url` all else is at that link, for 15 minutes. `omitted`: how many texts are not in
    it, for all of them are too long together; each is `{"omitted_bytes"}` in its place.
    """

    task_id: str
    system_id: str
    exported_at: str
    export_url: str | None = None
    bytes: int | None = None
    request: Json | None = None
    state: Json | None = None
    outcome: Json | None = None
    events: list[Json] = []
    questions: list[Json] = []
    calls: list[Json] = []
    """The journal: models, tools and memory, with what they answered."""
    trace: list[Json] = []
    spending: Json | None = None
    omitted: int = 0


def export_task(table: Table, blobs: BlobStore, scope: Scope, task_id: str, now: datetime) -> str:
    """A TaskExport, as JSON; of one that is too long for an answer, with the link to it."""
    key = scope.state_key(task_id)
    items = list(table.query(key.pk, "")) if is_id(task_id) else []
    if not any(item["sk"] == key.sk for item in items):
        raise not_found(task_id)
    parts = load_parts(blobs, items)
    export = TaskExport(
        task_id=task_id,
        system_id=scope.system_id,
        exported_at=format_time(now),
        omitted=sum("omitted_bytes" in part for part in parts.values()),
        **arrange_parts(items, parts),
    )
    text = export.model_dump_json()
    if len(json.dumps(text, ensure_ascii=False).encode()) <= INLINE_BYTES:
        return text
    place = f"{scope.blob_prefix}/{task_id}/export.json"
    document = blobs.store_document(place, text)
    try:
        TaskStore(table, blobs).get_state(scope, task_id)
    except NotFound:
        blobs.delete_blob(place)  # The task was deleted meanwhile.
        raise
    return TaskExport(
        task_id=task_id,
        system_id=scope.system_id,
        exported_at=export.exported_at,
        export_url=blobs.link_document(document),
        bytes=document["bytes"],
        omitted=export.omitted,
    ).model_dump_json()


def load_parts(blobs: BlobStore, items: Sequence[Item]) -> dict[str, Json]:
    """What the documents of the items say, by `sk`; those that are too much are named."""
    wanted: dict[str, Mapping[str, Any]] = {}
    omitted: dict[str, Json] = {}
    left = MOST_BYTES
    for item in items:
        document = item.get("document")
        if document is None:
            continue
        size = document.get("bytes") or len(document["text"])
        if size > left:
            omitted[item["sk"]] = {"omitted_bytes": size}
        else:
            left -= size
            wanted[item["sk"]] = document

    def load(document: Mapping[str, Any]) -> Json:
        loaded: Json = json.loads(blobs.load_document(dict(document)))
        return loaded

    loaded = map_abreast(load, list(wanted.values()), READ_AT_ONCE)
    return omitted | dict(zip(wanted, loaded, strict=True))


def arrange_parts(items: Sequence[Item], parts: Mapping[str, Json]) -> dict[str, Any]:
    """The fields of an export. What only tells of a moment (what a call holds) is left out."""
    fields: dict[str, Any] = {"events": [], "questions": [], "trace": [], "calls": []}
    for item in items:
        content = {name: value for name, value in item.items() if name not in LEFT_OUT}
        part = content | parts.get(item["sk"], {})
        match name_part(item["sk"]):
            case "STATE":
                fields["state"] = part
            case "SPEC":
                fields["request"] = part
            case "END":
                fields["outcome"] = {n: v for n, v in part.items() if n != "summary"}
            case "SPENDING":
                fields["spending"] = part
            case "EVENT":
                fields["events"] += map(dump_event, read_batch(item).events)
            case "QUESTION":
                fields["questions"].append(part)
            case "TRACE":
                fields["trace"].append(part | {"seq": parse_trace_key(item["sk"])})
            case "CALL":
                fields["calls"].append(part | name_call(item["sk"]))
    return fields


def name_call(sk: str) -> Json:
    """`call`: one call, and what it answered. `started`: that it was begun, and is no answer."""
    call = parse_call_key(sk)
    named: Json = {"call": f"{call.digest}-{call.occurrence}"}
    return named | ({"started": True} if call.started else {})
