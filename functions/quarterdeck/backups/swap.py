"""The writes that make a generation a system's own, or leave it as it was. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from quarterdeck.backups.restores import Restore
from quarterdeck.keys import (
    ACTIVE_SYSTEMS,
    EVERY_ACTIVE,
    deployment_key,
    list_system,
    name_key,
    system_key,
    version_key,
)
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.records import Deployment, System
from quarterdeck.systems.rollout import describe_crew
from quarterdeck.table import Absent, Equals, Put, Update, Write


def describe_restored(
    restore: Restore, system: System, configuration: SystemConfiguration, version: int, now: str
) -> System:
    """META of the system as the restore leaves it."""
    return system.model_copy(
        update={
            "state": restore.reopen_as or "active",
            "restoring": None,
            "generation": restore.generation,
            "current_version": version,
            "latest_deployment": max(version, system.latest_deployment),
            "crews": tuple(crew.name for crew in configuration.crews),
            "retired": (),
            "updated_at": now,
        }
    )


def swap_generation(
    restore: Restore,
    restored: System,
    configuration: SystemConfiguration,
    capacities: Mapping[str, int],
    document: Mapping[str, Any] | None,
    now: datetime,
) -> list[Write]:
    """Generation and version at once. `document`: of a version that is new."""
    changed = {"generation", "current_version", "latest_deployment", "state", "updated_at"}
    assign = restored.model_dump(include=changed)
    assign |= {"crews": list(restored.crews), "retired": []}
    meta = Update(
        system_key(restored.system_id),
        assign,
        {},
        ["restoring"],
        [Equals("restoring", restore.job_id), Equals("state", "restoring")],
    )
    writes: list[Write] = [meta, *open_crews(restored, configuration, capacities)]
    if document is not None:
        writes += put_restored_version(
            restored.system_id, restored.current_version, document, format_time(now), new=True
        )
    return writes


def found_system(
    restored: System, configuration: SystemConfiguration, capacities: Mapping[str, int]
) -> list[Write]:
    """A new system, whose data is there."""
    listed = list_system(restored.system_id, restored.created_at)
    meta = restored.model_dump(exclude_none=True) | listed
    meta |= {"crews": list(restored.crews), "retired": [], ACTIVE_SYSTEMS.partition: EVERY_ACTIVE}
    return [
        Put(name_key(restored.name), {"system_id": restored.system_id}, [Absent()]),
        Put(system_key(restored.system_id), meta, [Absent()]),
        *open_crews(restored, configuration, capacities),
    ]


def open_crews(
    restored: System, configuration: SystemConfiguration, capacities: Mapping[str, int]
) -> list[Put]:
    """Each crew's capacity, none of it in use."""
    paused = {"paused": True} if restored.state == "paused" else {}
    return [
        Put(
            restored.scope.crew_key(crew.name),
            {
                "capacity": describe_crew(configuration, crew).policy.clamp(
                    capacities.get(crew.name, crew.initial_capacity)
                ),
                "running": 0,
                "created_by": restored.current_version,
                **paused,
            },
        )
        for crew in configuration.crews
    ]


def put_restored_version(
    system_id: str, version: int, document: Mapping[str, Any], created_at: str, *, new: bool
) -> list[Put]:
    """A version, with the deployment that it would have had."""
    deployment = Deployment(
        number=version,
        version=version,
        kind="restore",
        status="succeeded",
        started_at=created_at,
        ended_at=created_at,
    )
    conditions: Sequence[Absent] = [Absent()] if new else []
    item = {"document": dict(document), "created_at": created_at}
    described = deployment.model_dump(exclude_none=True) | {"stages": [], "reasons": []}
    return [
        Put(version_key(system_id, version), item, conditions),
        Put(deployment_key(system_id, version), described, conditions),
    ]


def reopen_system(restore: Restore, now: datetime) -> Update:
    """As it was before the restore."""
    return Update(
        system_key(restore.system_id),
        {"state": restore.reopen_as, "updated_at": format_time(now)},
        {},
        ["restoring"],
        [Equals("restoring", restore.job_id), Equals("state", "restoring")],
    )
