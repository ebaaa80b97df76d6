"""Every key of the table: what an item is called, and what its name says.

The only module that spells a key.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from quarterdeck.names import format_time

REGISTRY_SHARDS = 8
LEASE_SHARDS = 4
MEMORY_SHARDS = 4
VERSION_PREFIX = "VERSION#"
PLAN_PREFIX = "PLAN#"
DEPLOYMENT_PREFIX = "DEPLOYMENT#"
QUEUE_PREFIX = "QUEUE#"
LATER_PREFIX = "LATER#"
DECISION_PREFIX = "DECISION#"
EVENT_PREFIX = "EVENT#"
TRACE_PREFIX = "TRACE#"
QUESTION_PREFIX = "QUESTION#"
CALL_PREFIX = "CALL#"
STARTED = "#STARTED"
HOLD_PREFIX = "HOLD#"
OUTBOX_PREFIX = "OUTBOX#"
ALERT_PREFIX = "METRIC#"
HISTORY_PREFIX = "HISTORY#"
BACKUP_PREFIX = "BACKUP#"
VERIFY_PREFIX = "VERIFY#"
RESTORE_PREFIX = "RESTORE#"
JOB_PREFIXES = (BACKUP_PREFIX, VERIFY_PREFIX, RESTORE_PREFIX)
CHUNK_PREFIX = "CHUNK#"
CREWS_PREFIX = "CREWS#"
LAST = "~"
"""After every `sk`."""
LAST_EVENT = f"{EVENT_PREFIX}{LAST}"
"""After every `sk` of an event."""
LAST_TRACE = f"{TRACE_PREFIX}{LAST}"
ERASED_PREFIX = "ERASED#"


class Index(NamedTuple):
    """A global secondary index: its name, and the attributes that are its keys."""

    name: str
    partition: str
    order: str


TASKS_BY_TIME = Index("tasks-by-time", "tasks_of", "task_time")
LEASES = Index("leases", "lease_shard", "lease_expires_at")
ACTIVE_SYSTEMS = Index("active-systems", "active", "system_id")
SYSTEMS = Index("systems", "listed", "listed_at")
EVERY_SYSTEM = "SYSTEMS"
EVERY_ACTIVE = "ACTIVE"
EVERY_KEY = "KEYS"
"""The partition that lists the API keys."""
EVERY_BACKED_UP = "BACKED_UP"
"""The partition that lists the systems with backups, deleted ones included."""


class Key(NamedTuple):
    pk: str
    sk: str


def system_key(system_id: str) -> Key:
    return Key(f"SYS#{system_id}", "META")


def name_key(name: str) -> Key:
    return Key(f"NAME#{name}", "NAME")


def version_key(system_id: str, version: int) -> Key:
    return Key(f"SYS#{system_id}", f"{VERSION_PREFIX}{version:06}")


def deployment_key(system_id: str, number: int) -> Key:
    return Key(f"SYS#{system_id}", f"{DEPLOYMENT_PREFIX}{number:06}")


def crew_version_key(system_id: str, version: int, crew: str) -> Key:
    return Key(f"SYS#{system_id}", f"{CREWS_PREFIX}{version:06}#{crew}")


def budget_key(system_id: str, crew: str, day: date) -> Key:
    """Not of a generation: a restore does not rewind what was spent."""
    return Key(f"SYS#{system_id}#CREW#{crew}", f"BUDGET#{day:%Y-%m-%d}")


def plan_key(system_id: str, version: int) -> Key:
    return Key(f"SYS#{system_id}", f"{PLAN_PREFIX}{version:06}")


def health_key(system_id: str) -> Key:
    return Key(f"SYS#{system_id}", "HEALTH")


def backups_key(system_id: str) -> Key:
    """What is known of all backups of the system: which one runs, when the last was planned."""
    return Key(f"SYS#{system_id}", "BACKUPS")


def backup_key(system_id: str, backup_id: str) -> Key:
    return Key(f"SYS#{system_id}", f"{BACKUP_PREFIX}{backup_id}")


def verify_key(system_id: str, job_id: str) -> Key:
    return Key(f"SYS#{system_id}", f"{VERIFY_PREFIX}{job_id}")


def restore_key(system_id: str, restore_id: str) -> Key:
    """Of a restore, and of a restore test."""
    return Key(f"SYS#{system_id}", f"{RESTORE_PREFIX}{restore_id}")


def backed_up_key(system_id: str) -> Key:
    return Key(EVERY_BACKED_UP, system_id)


def chunk_key(system_id: str, backup_id: str, part: str, number: int) -> Key:
    """Of what a running backup has written so far."""
    return Key(f"SYS#{system_id}#BACKUP#{backup_id}", f"{CHUNK_PREFIX}{part}#{number:06}")


def erasure_key(system_id: str, mark: str) -> Key:
    return Key(f"SYS#{system_id}", f"{ERASED_PREFIX}{mark}")


def activity_partition(slot: datetime) -> str:
    return f"ACTIVITY#{format_time(slot)}"


def activity_key(slot: datetime, system_id: str) -> Key:
    return Key(activity_partition(slot), system_id)


def idempotency_key(principal: str, request: str) -> Key:
    return Key(f"IDEM#{principal}#{request}", "IDEM")


def last_look_key() -> Key:
    return Key("MONITOR", "LAST_LOOK")


def access_key(digest: str) -> Key:
    return Key(f"KEY#{digest}", "KEY")


def key_entry(key_id: str) -> Key:
    return Key(EVERY_KEY, key_id)


type Collection = Literal["MEMORY", "KNOWLEDGE"]
"""What a crew has learned, and what it was given."""
COLLECTIONS: tuple[Collection, ...] = ("MEMORY", "KNOWLEDGE")


class Scope(NamedTuple):
    """One generation of a system's data: what a restore writes anew."""

    system_id: str
    generation: int

    @property
    def prefix(self) -> str:
        return f"SYS#{self.system_id}@{self.generation}"

    def strip(self, pk: str) -> str:
        """What follows the prefix, the same in every system; empty for the system's own."""
        return pk.removeprefix(self.prefix).removeprefix(system_key(self.system_id).pk)

    @property
    def blob_prefix(self) -> str:
        return f"blobs/tasks/{self.system_id}@{self.generation}"

    def crew_key(self, crew: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", "CREW")

    def queue_key(self, crew: str, rank: str, task_id: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"{QUEUE_PREFIX}{rank}#{task_id}")

    def registry_key(self, task_id: str, created: datetime) -> Key:
        return Key(self.registry_partition(created, find_shard(task_id, REGISTRY_SHARDS)), task_id)

    def registry_partition(self, created: datetime, shard: int) -> str:
        return f"{self.prefix}#TASKS#{created:%Y-%m-%d}#{shard}"

    def state_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "STATE")

    def spec_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "SPEC")

    def end_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "END")

    def spending_key(self, task_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", "SPENDING")

    def hold_key(self, task_id: str, hold_id: str) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"{HOLD_PREFIX}{hold_id}")

    def question_key(self, task_id: str, number: int) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"{QUESTION_PREFIX}{number:06}")

    def later_key(self, crew: str, not_before: str, task_id: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"{LATER_PREFIX}{not_before}#{task_id}")

    def decision_key(self, crew: str, moment: datetime) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"{DECISION_PREFIX}{format_time(moment)}")

    def event_key(self, task_id: str, number: int) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"{EVENT_PREFIX}{number:06}")

    def trace_key(self, task_id: str, number: int) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"{TRACE_PREFIX}{number:06}")

    def call_key(self, task_id: str, digest: str, occurrence: int) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"{CALL_PREFIX}{digest}#{occurrence}")

    def started_key(self, task_id: str, digest: str, occurrence: int) -> Key:
        call = self.call_key(task_id, digest, occurrence)
        return Key(call.pk, f"{call.sk}{STARTED}")

    def alert_key(self, crew: str | None, metric: str) -> Key:
        """None: of the whole system."""
        return Key(f"{self.prefix}#ALERTS", f"{ALERT_PREFIX}{crew or ''}#{metric}")

    def alert_history_key(self, moment: str, entry_id: str) -> Key:
        return Key(f"{self.prefix}#ALERTS", f"{HISTORY_PREFIX}{moment}#{entry_id}")

    def bucket_partition(self, crew: str) -> str:
        return f"{self.prefix}#METRICS#{crew}"

    def bucket_key(self, crew: str, moment: datetime) -> Key:
        return Key(self.bucket_partition(crew), f"{moment:%Y-%m-%dT%H:%M}")

    def memory_partition(self, crew: str, shard: int, collection: Collection) -> str:
        return f"{self.prefix}#{collection}#{crew}#{shard}"

    def memory_key(self, crew: str, shard: int, number: int, collection: Collection) -> Key:
        return Key(self.memory_partition(crew, shard, collection), f"{number:012}")

    def memory_blob(self, crew: str, name: str) -> str:
        return f"blobs/memories/{self.system_id}@{self.generation}/{crew}/{name}"

    def place(self, pk: str, sk: str) -> Key:
        """Of a record of an archive, whose `pk` knows no scope."""
        return Key(f"{self.prefix}{pk}", sk)

    def place_blob(self, pk: str, sk: str) -> str:
        """Where the document of a restored item is kept, if it is long."""
        kind, *names = pk.removeprefix("#").split("#")
        if kind == "TASK":
            return f"{self.blob_prefix}/{names[0]}/{sk.lower()}.json"
        crew, *rest = names
        return self.memory_blob(crew, f"{'-'.join([kind.lower(), *rest, sk])}.txt")

    def list_partitions(self, crew: str) -> list[str]:
        """All that hold a crew's data; its tasks' are not among them."""
        logs = [
            self.memory_partition(crew, shard, collection)
            for collection in COLLECTIONS
            for shard in range(MEMORY_SHARDS)
        ]
        return [self.crew_key(crew).pk, self.bucket_partition(crew), *logs]

    @property
    def alerts_partition(self) -> str:
        return f"{self.prefix}#ALERTS"

    def by_time(self, task_id: str, created: datetime) -> dict[str, str]:
        """The keys of a task's STATE in the index `tasks-by-time`."""
        moment = f"{format_time(created)}#{task_id}"
        return {TASKS_BY_TIME.partition: self.prefix, TASKS_BY_TIME.order: moment}


LEASE_KEYS = (LEASES.partition, LEASES.order)
INDEX_KEYS = (*LEASE_KEYS, TASKS_BY_TIME.partition, TASKS_BY_TIME.order)
"""What an item of a system's data has for the sake of an index."""


def list_system(system_id: str, created: str) -> dict[str, str]:
    """The keys of a META in the index `systems`."""
    return {SYSTEMS.partition: EVERY_SYSTEM, SYSTEMS.order: f"{created}#{system_id}"}


def parse_task_time(item: Mapping[str, str]) -> tuple[str, str]:
    """When a task of the index `tasks-by-time` was created, and its id."""
    created, _, task_id = item[TASKS_BY_TIME.order].partition("#")
    return created, task_id


def find_place(index: Index, item: Mapping[str, str]) -> dict[str, str]:
    """Where a page of the index that ends with the item goes on."""
    return {name: item[name] for name in (*Key._fields, index.partition, index.order)}


def lease_index(owner_id: str, expires: datetime) -> dict[str, str]:
    """The keys in the index `leases` of a task's STATE, or of a DEPLOYMENT or a job that runs.

    They say when the message that nobody took, or the worker that took it, is due; of a task that
    waits for a person, when its question expires.
    """
    shard = lease_shard(find_shard(owner_id, LEASE_SHARDS))
    return dict(zip(LEASE_KEYS, (shard, format_time(expires)), strict=True))


def lease_shard(number: int) -> str:
    return f"LEASES#{number}"


def outbox_index(task_id: str, due: datetime) -> dict[str, str]:
    """The same of an outbox item. Apart from leases: many may wait as long as the bus is down."""
    shard = outbox_shard(find_shard(task_id, LEASE_SHARDS))
    return dict(zip(LEASE_KEYS, (shard, format_time(due)), strict=True))


def outbox_shard(number: int) -> str:
    return f"OUTBOX#{number}"


def find_shard(owner_id: str, shards: int) -> int:
    return zlib.crc32(owner_id.encode()) % shards


class DeploymentId(NamedTuple):
    system_id: str
    number: int


class TaskKey(NamedTuple):
    scope: Scope
    task_id: str


class JobId(NamedTuple):
    system_id: str
    prefix: str
    """One of JOB_PREFIXES: backups, verifications, restores."""
    job_id: str

    @property
    def key(self) -> Key:
        return Key(f"SYS#{self.system_id}", f"{self.prefix}{self.job_id}")


OutboxKind = Literal["ended", "waiting"]


class OutboxKey(NamedTuple):
    """What is to be told of a task: its end, or that it waits; `epoch`: the task's as of then."""

    scope: Scope
    task_id: str
    epoch: int
    kind: OutboxKind

    @property
    def key(self) -> Key:
        pk = f"{self.scope.prefix}#TASK#{self.task_id}"
        return Key(pk, f"{OUTBOX_PREFIX}{self.epoch}#{self.kind}")


type LeaseOwner = TaskKey | DeploymentId | JobId | OutboxKey


def parse_lease_owner(pk: str, sk: str) -> LeaseOwner:
    """Whose item it is that the index `leases` holds."""
    if sk.startswith(DEPLOYMENT_PREFIX):
        return DeploymentId(pk.removeprefix("SYS#"), int(sk.removeprefix(DEPLOYMENT_PREFIX)))
    for prefix in JOB_PREFIXES:
        if sk.startswith(prefix):
            return JobId(pk.removeprefix("SYS#"), prefix, sk.removeprefix(prefix))
    if sk.startswith(OUTBOX_PREFIX):
        return parse_outbox_key(pk, sk)
    return parse_task_key(pk)


def parse_outbox_key(pk: str, sk: str) -> OutboxKey:
    epoch, kind = sk.removeprefix(OUTBOX_PREFIX).split("#")
    return OutboxKey(*parse_task_key(pk), int(epoch), "waiting" if kind == "waiting" else "ended")


def parse_task_key(pk: str) -> TaskKey:
    """Of `SYS#<system_id>@<generation>#TASK#<task_id>`."""
    system, task_id = pk.removeprefix("SYS#").split("#TASK#")
    system_id, generation = system.split("@")
    return TaskKey(Scope(system_id, int(generation)), task_id)


def name_part(sk: str) -> str:
    """Which of a task's items it is: `STATE`, or the word before what numbers them."""
    return sk.partition("#")[0]


def is_task_history(sk: str) -> bool:
    """Whether an item of a task is what happened, and not what its calls hold or have answered."""
    return sk in {"STATE", "SPEC", "END"} or sk.startswith((EVENT_PREFIX, QUESTION_PREFIX))


def name_task(pk: str) -> str | None:
    """Of a record's `#TASK#<task_id>`; None if it is the key of something else."""
    return pk.removeprefix("#TASK#") if pk.startswith("#TASK#") else None


def name_crew(pk: str) -> str | None:
    """Of a record's `#CREW#<crew>`, `#METRICS#<crew>`, `#MEMORY#<crew>#<shard>`; or None."""
    kind, *names = pk.removeprefix("#").split("#")
    return names[0] if kind in {"CREW", "METRICS", *COLLECTIONS} else None


def name_memory(pk: str) -> str | None:
    """The crew of a record's `#MEMORY#<crew>#<shard>`; None if it is the key of something else."""
    return name_crew(pk) if pk.startswith("#MEMORY#") else None


def lists_tasks(pk: str) -> bool:
    """Whether it is a partition of the registry of tasks."""
    return "#TASKS#" in pk


def name_version(sk: str) -> int | None:
    """Of `VERSION#<n>`; None if it is the key of something else."""
    return int(sk.removeprefix(VERSION_PREFIX)) if sk.startswith(VERSION_PREFIX) else None


class Call(NamedTuple):
    """Whose entry a journal's item is; or, `started`, whose mark."""

    digest: str
    occurrence: int
    started: bool


def parse_call_key(sk: str) -> Call:
    digest, occurrence = sk.removeprefix(CALL_PREFIX).removesuffix(STARTED).split("#")
    return Call(digest, int(occurrence), sk.endswith(STARTED))


def parse_event_key(sk: str) -> int:
    """The number of the first event of `EVENT#<number>`."""
    return int(sk.removeprefix(EVENT_PREFIX))


def parse_trace_key(sk: str) -> int:
    """The number of `TRACE#<number>`."""
    return int(sk.removeprefix(TRACE_PREFIX))


def parse_crew_version_key(sk: str) -> str:
    """The crew of `CREWS#<version>#<crew>`."""
    return sk.split("#")[2]


def parse_alert_key(sk: str) -> tuple[str | None, str]:
    """Crew and metric of `METRIC#<crew>#<metric>`; no crew for the whole system."""
    crew, metric = sk.removeprefix(ALERT_PREFIX).split("#")
    return crew or None, metric


def parse_bucket_key(sk: str) -> datetime:
    """The minute that a metric bucket counts."""
    return datetime.fromisoformat(sk).replace(tzinfo=UTC)


def parse_memory_key(sk: str) -> int:
    """The number of an entry in its shard's log."""
    return int(sk)


def memory_shard(record_id: str) -> int:
    return find_shard(record_id, MEMORY_SHARDS)


def parse_decision_key(sk: str) -> str:
    """The time of `DECISION#<time>`."""
    return sk.removeprefix(DECISION_PREFIX)


def parse_erasure_key(sk: str) -> str:
    """The hash of `ERASED#<hash>`."""
    return sk.removeprefix(ERASED_PREFIX)


def parse_later_key(sk: str) -> str:
    """The time of `LATER#<not_before>#<task_id>`."""
    return sk.split("#")[1]


def bound_later(now: datetime) -> str:
    """The end of what is due among LATER entries."""
    return f"{LATER_PREFIX}{format_time(now)}~"
