"""Crew systems: a META item, immutable versions, and a record of each deployment."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict, FieldError, NotFound, system_not_found
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import Crew, SystemConfiguration
from quarterdeck.table import (
    ACTIVE_SYSTEMS,
    EVERY_ACTIVE,
    EVERY_SYSTEM,
    SYSTEMS,
    Absent,
    ConditionFailed,
    Delete,
    Equals,
    Item,
    Page,
    Put,
    Scope,
    Table,
    Update,
    deployment_key,
    list_system,
    name_key,
    system_key,
    version_key,
)

FIRST = 1
"""Of versions, deployments and generations."""

State = Literal["deploying", "active", "failed"]


class System(BaseModel):
    """META. `current_version` is 0 until a deployment has succeeded."""

    model_config = ConfigDict(frozen=True)

    system_id: str
    name: str
    state: State
    current_version: int
    generation: int
    crews: tuple[str, ...]
    created_at: str
    updated_at: str

    @property
    def scope(self) -> Scope:
        return Scope(self.system_id, self.generation)


class Reason(BaseModel):
    """`field` is a path in the configuration."""

    model_config = ConfigDict(frozen=True)

    field: str
    rule: str


class Deployment(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int
    version: int
    status: Literal["running", "succeeded", "failed"]
    reasons: tuple[Reason, ...] = ()
    """Why it failed."""
    started_at: str
    ended_at: str | None = None


class CrewCapacity(BaseModel):
    """`capacity` is how many tasks the crew may run at once, `running` how many hold a slot."""

    name: str
    capacity: int
    running: int


class SystemStore:
    def __init__(self, table: Table, blobs: BlobStore) -> None:
        self.table = table
        self.blobs = blobs

    def create(self, system_id: str, configuration: SystemConfiguration, now: datetime) -> System:
        """A system in state `deploying` with its first version; Conflict if the name is taken."""
        started = format_time(now)
        system = System(
            system_id=system_id,
            name=configuration.name,
            state="deploying",
            current_version=0,
            generation=FIRST,
            crews=tuple(crew.name for crew in configuration.crews),
            created_at=started,
            updated_at=started,
        )
        document = self.blobs.store_document(
            f"blobs/versions/{system_id}/{FIRST}.json",
            configuration.model_dump_json(exclude_none=True),
        )
        deployment = Deployment(number=FIRST, version=FIRST, status="running", started_at=started)
        meta = system.model_dump() | list_system(system_id, started)
        try:
            self.table.write(
                Put(name_key(system.name), {"system_id": system_id}, [Absent()]),
                Put(system_key(system_id), meta, [Absent()]),
                Put(version_key(system_id, FIRST), {"document": document, "created_at": started}),
                Put(deployment_key(system_id, FIRST), deployment.model_dump()),
            )
        except ConditionFailed:
            rule = f"a system named '{system.name}' exists"
            raise Conflict(rule, [FieldError("name", rule)]) from None
        return system

    def get(self, system_id: str) -> System:
        """NotFound if there is none."""
        item = self.table.get(system_key(system_id))
        if item is None:
            raise system_not_found(system_id)
        return System.model_validate(item)

    def list_page(self, limit: int, start: Item | None) -> Page:
        """The systems, newest first, as the index `systems` keeps them."""
        return self.table.query_index(
            SYSTEMS, EVERY_SYSTEM, newest_first=True, limit=limit, start=start
        )

    def list_active(self) -> Iterable[str]:
        """The ids of active systems."""
        start: Item | None = None
        while True:
            page = self.table.query_index(ACTIVE_SYSTEMS, EVERY_ACTIVE, limit=1000, start=start)
            yield from (item["system_id"] for item in page.items)
            start = page.last_key
            if start is None:
                return

    def get_configuration(self, system_id: str, version: int) -> SystemConfiguration:
        item = self.table.get(version_key(system_id, version))
        if item is None:
            raise NotFound(f"system '{system_id}' has no version {version}")
        text = self.blobs.load_document(item["document"])
        return SystemConfiguration.model_validate_json(text)

    def get_deployment(self, system_id: str, number: int) -> Deployment:
        item = self.table.get(deployment_key(system_id, number))
        if item is None:
            raise NotFound(f"system '{system_id}' has no deployment {number}")
        return Deployment.model_validate(item)

    def list_crews(self, system: System) -> list[CrewCapacity]:
        """The crews that a deployment has set up, in the configuration's order."""
        items = (self.table.get(system.scope.crew_key(name)) for name in system.crews)
        return [
            CrewCapacity(name=name, capacity=item["capacity"], running=item["running"])
            for name, item in zip(system.crews, items, strict=True)
            if item
        ]

    def activate(
        self, system: System, deployment: Deployment, crews: Sequence[Crew], now: datetime
    ) -> bool:
        """Makes the deployment's version current; False if the deployment has ended before."""
        return self._end_deployment(
            Update(
                system_key(system.system_id),
                {
                    "state": "active",
                    "current_version": deployment.version,
                    "updated_at": format_time(now),
                    ACTIVE_SYSTEMS.partition: EVERY_ACTIVE,
                },
                {},
            ),
            end_deployment(system.system_id, deployment, "succeeded", (), now),
            *(Put(system.scope.crew_key(crew.name), describe_crew(crew)) for crew in crews),
        )

    def fail(
        self, system: System, deployment: Deployment, reasons: Sequence[FieldError], now: datetime
    ) -> bool:
        """Records why and frees the name; False if the deployment has ended before."""
        return self._end_deployment(
            Update(
                system_key(system.system_id),
                {"state": "failed", "updated_at": format_time(now)},
                {},
            ),
            end_deployment(system.system_id, deployment, "failed", reasons, now),
            Delete(name_key(system.name), [Equals("system_id", system.system_id)]),
        )

    def _end_deployment(self, *writes: Update | Put | Delete) -> bool:
        try:
            self.table.write(*writes)
        except ConditionFailed:
            return False
        return True


def end_deployment(
    system_id: str,
    deployment: Deployment,
    status: Literal["succeeded", "failed"],
    reasons: Sequence[FieldError],
    now: datetime,
) -> Update:
    return Update(
        deployment_key(system_id, deployment.number),
        {
            "status": status,
            "reasons": [reason._asdict() for reason in reasons],
            "ended_at": format_time(now),
        },
        {},
        conditions=[Equals("status", "running")],
    )


def describe_crew(crew: Crew) -> dict[str, Any]:
    """A CREW item as a deployment writes it: nothing runs yet."""
    return {
        "capacity": crew.initial_capacity,
        "running": 0,
        "placeholders": crew.placeholders,
        "policy": crew.model_dump(
            include={
                "min_agents",
                "max_agents",
                "scale_up_threshold",
                "scale_down_threshold",
                "cooldown_period",
            }
        ),
    }
