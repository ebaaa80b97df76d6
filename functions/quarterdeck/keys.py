"""Every key of the table: what an item is called, and what its name says.

The only module that spells a key.
"""

import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from quarterdeck.names import format_time

REGISTRY_SHARDS = 8
LEASE_SHARDS = 4
DEPLOYMENT_PREFIX = "DEPLOYMENT#"
QUEUE_PREFIX = "QUEUE#"
LATER_PREFIX = "LATER#"
DECISION_PREFIX = "DECISION#"
EVENT_PREFIX = "EVENT#"
CALL_PREFIX = "CALL#"
STARTED = "#STARTED"
HOLD_PREFIX = "HOLD#"
ALERT_PREFIX = "METRIC#"
HISTORY_PREFIX = "HISTORY#"


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


class Key(NamedTuple):
    pk: str
    sk: str


def system_key(system_id: str) -> Key:
    return Key(f"SYS#{system_id}", "META")


def name_key(name: str) -> Key:
    return Key(f"NAME#{name}", "NAME")


def version_key(system_id: str, version: int) -> Key:
    return Key(f"SYS#{system_id}", f"VERSION#{version:06}")


def deployment_key(system_id: str, number: int) -> Key:
    return Key(f"SYS#{system_id}", f"{DEPLOYMENT_PREFIX}{number:06}")


def crew_version_key(system_id: str, version: int, crew: str) -> Key:
    return Key(f"SYS#{system_id}", f"CREWS#{version:06}#{crew}")


def budget_key(system_id: str, crew: str, day: date) -> Key:
    """Not of a generation: a restore does not rewind what was spent."""
    return Key(f"SYS#{system_id}#CREW#{crew}", f"BUDGET#{day:%Y-%m-%d}")


def plan_key(system_id: str, version: int) -> Key:
    return Key(f"SYS#{system_id}", f"PLAN#{version:06}")


def health_key(system_id: str) -> Key:
    return Key(f"SYS#{system_id}", "HEALTH")


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


class Scope(NamedTuple):
    """One generation of a system's data: what a restore writes anew."""

    system_id: str
    generation: int

    @property
    def prefix(self) -> str:
        return f"SYS#{self.system_id}@{self.generation}"

    @property
    def blob_prefix(self) -> str:
        return f"blobs/tasks/{self.system_id}@{self.generation}"

    def crew_key(self, crew: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", "CREW")

    def queue_key(self, crew: str, rank: str, task_id: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"{QUEUE_PREFIX}{rank}#{task_id}")

    def registry_key(self, task_id: str, created: datetime) -> Key:
        shard = find_shard(task_id, REGISTRY_SHARDS)
        return Key(f"{self.prefix}#TASKS#{created:%Y-%m-%d}#{shard}", task_id)

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

    def later_key(self, crew: str, not_before: str, task_id: str) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"{LATER_PREFIX}{not_before}#{task_id}")

    def decision_key(self, crew: str, moment: datetime) -> Key:
        return Key(f"{self.prefix}#CREW#{crew}", f"{DECISION_PREFIX}{format_time(moment)}")

    def event_key(self, task_id: str, number: int) -> Key:
        return Key(f"{self.prefix}#TASK#{task_id}", f"{EVENT_PREFIX}{number:06}")

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

    def bucket_key(self, crew: str, moment: datetime) -> Key:
        return Key(f"{self.prefix}#METRICS#{crew}", f"{moment:%Y-%m-%dT%H:%M}")

    def by_time(self, task_id: str, created: datetime) -> dict[str, str]:
        """The keys of a task's STATE in the index `tasks-by-time`."""
        moment = f"{format_time(created)}#{task_id}"
        return {TASKS_BY_TIME.partition: self.prefix, TASKS_BY_TIME.order: moment}


LEASE_KEYS = (LEASES.partition, LEASES.order)


def list_system(system_id: str, created: str) -> dict[str, str]:
    """The keys of a META in the index `systems`."""
    return {SYSTEMS.partition: EVERY_SYSTEM, SYSTEMS.order: f"{created}#{system_id}"}


def parse_task_time(item: Mapping[str, str]) -> tuple[str, str]:
    """When a task of the index `tasks-by-time` was created, and its id."""
    created, _, task_id = item[TASKS_BY_TIME.order].partition("#")
    return created, task_id


def lease_index(owner_id: str, expires: datetime) -> dict[str, str]:
    """The keys in the index `leases` of a task's STATE, or of a system's DEPLOYMENT that runs.

    They say when the message that nobody took, or the worker that took it, is due.
    """
    shard = lease_shard(find_shard(owner_id, LEASE_SHARDS))
    return dict(zip(LEASE_KEYS, (shard, format_time(expires)), strict=True))


def lease_shard(number: int) -> str:
    return f"LEASES#{number}"


def find_shard(owner_id: str, shards: int) -> int:
    return zlib.crc32(owner_id.encode()) % shards


class DeploymentId(NamedTuple):
    system_id: str
    number: int


class TaskKey(NamedTuple):
    scope: Scope
    task_id: str


type LeaseOwner = TaskKey | DeploymentId


def parse_lease_owner(pk: str, sk: str) -> LeaseOwner:
    """Whose item it is that the index `leases` holds."""
    if sk.startswith(DEPLOYMENT_PREFIX):
        return DeploymentId(pk.removeprefix("SYS#"), int(sk.removeprefix(DEPLOYMENT_PREFIX)))
    return parse_task_key(pk)


def parse_task_key(pk: str) -> TaskKey:
    """Of `SYS#<system_id>@<generation>#TASK#<task_id>`."""
    system, task_id = pk.removeprefix("SYS#").split("#TASK#")
    system_id, generation = system.split("@")
    return TaskKey(Scope(system_id, int(generation)), task_id)


class Call(NamedTuple):
    """Whose entry a journal's item is; or, `started`, whose mark."""

    digest: str
    occurrence: int
    started: bool


def parse_call_key(sk: str) -> Call:
    digest, occurrence = sk.removeprefix(CALL_PREFIX).removesuffix(STARTED).split("#")
    return Call(digest, int(occurrence), sk.endswith(STARTED))


def parse_alert_key(sk: str) -> tuple[str | None, str]:
    """Crew and metric of `METRIC#<crew>#<metric>`; no crew for the whole system."""
    crew, metric = sk.removeprefix(ALERT_PREFIX).split("#")
    return crew or None, metric


def parse_bucket_key(sk: str) -> datetime:
    """The minute that a metric bucket counts."""
    return datetime.fromisoformat(sk).replace(tzinfo=UTC)


def parse_decision_key(sk: str) -> str:
    """The time of `DECISION#<time>`."""
    return sk.removeprefix(DECISION_PREFIX)


def parse_later_key(sk: str) -> str:
    """The time of `LATER#<not_before>#<task_id>`."""
    return sk.split("#")[1]


def bound_later(now: datetime) -> str:
    """The end of what is due among LATER entries."""
    return f"{LATER_PREFIX}{format_time(now)}~"
