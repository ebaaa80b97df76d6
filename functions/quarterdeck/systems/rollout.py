"""A deployment's life: each step as the writes of one transaction. Pure, as the tasks' transitions.

A version shows in nothing until one write of META makes it current. What is prepared before carries
the version in its key, or is of a crew that no version has had; so it can be taken away again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from quarterdeck.errors import FieldError
from quarterdeck.keys import (
    ACTIVE_SYSTEMS,
    EVERY_ACTIVE,
    LEASE_KEYS,
    crew_version_key,
    deployment_key,
    lease_index,
    list_system,
    name_key,
    plan_key,
    system_key,
    version_key,
)
from quarterdeck.names import format_time
from quarterdeck.systems.configuration import Crew, SystemConfiguration
from quarterdeck.systems.records import (
    FIRST,
    BackupPlan,
    CrewState,
    CrewVersion,
    Deployment,
    DeploymentState,
    Frequency,
    ScalingPolicy,
    Stage,
    System,
    list_reasons,
)
from quarterdeck.systems.thresholds import resolve_thresholds
from quarterdeck.table import Absent, Condition, Delete, Equals, Put, Unset, Update, Write

PICK_UP = timedelta(minutes=5)
"""How long a deployment's message may take until it is sent again."""


def begin_first(system: System, document: Mapping[str, Any], now: datetime) -> list[Write]:
    """- -> deploying, with the name taken."""
    meta = system.model_dump(exclude_none=True) | list_system(system.system_id, system.created_at)
    return [
        Put(name_key(system.name), {"system_id": system.system_id}, [Absent()]),
        Put(system_key(system.system_id), meta, [Absent()]),
        *put_version(system.system_id, make_deployment(FIRST, now), document, now),
    ]


def begin_next(
    system: System, deployment: Deployment, document: Mapping[str, Any], now: datetime
) -> list[Write]:
    """A further deployment, if none runs and none was begun since the system was read."""
    begun = {
        "latest_deployment": deployment.number,
        "deploying": deployment.number,
        "updated_at": format_time(now),
    }
    conditions: list[Condition] = [
        Equals("latest_deployment", system.latest_deployment),
        Equals("state", system.state),
        Unset("deploying"),
    ]
    return [
        Update(system_key(system.system_id), begun, {}, conditions=conditions),
        *put_version(system.system_id, deployment, document, now),
    ]


def make_deployment(number: int, now: datetime, of_version: int | None = None) -> Deployment:
    return Deployment(
        number=number,
        version=number,
        kind="rollback" if of_version else "deploy",
        of_version=of_version,
        status="running",
        started_at=format_time(now),
    )


def put_version(
    system_id: str, deployment: Deployment, document: Mapping[str, Any], now: datetime
) -> list[Write]:
    version = {"document": dict(document), "created_at": format_time(now)}
    item = deployment.model_dump(exclude_none=True) | {
        "epoch": 0,
        "attempts": 0,
        **lease_index(system_id, now + PICK_UP),
    }
    return [
        Put(version_key(system_id, deployment.version), version, [Absent()]),
        Put(deployment_key(system_id, deployment.number), item, [Absent()]),
    ]


def claim_deployment(
    system_id: str, deployment: DeploymentState, deployer: str, until: datetime
) -> Update:
    """For one deployer, whose `deployer` is an id of this claim alone."""
    claimed = {
        "epoch": deployment.epoch + 1,
        "attempts": deployment.attempts + 1,
        "claimed_by": deployer,
        "stages": [],
        **lease_index(system_id, until),
    }
    return change_deployment(system_id, deployment, claimed)


def record_stages(system_id: str, deployment: DeploymentState, stages: Sequence[Stage]) -> Update:
    return change_deployment(system_id, deployment, {"stages": dump_stages(stages)})


def resend_deployment(system_id: str, deployment: DeploymentState, now: datetime) -> Update:
    """Nobody's, for the next deployer to take at once; the message is due again later."""
    due = lease_index(system_id, now + PICK_UP)
    return change_deployment(system_id, deployment, due, ["claimed_by"])


def prepare_crews(system: System, version: int, configuration: SystemConfiguration) -> list[Put]:
    return [
        Put(
            crew_version_key(system.system_id, version, crew.name),
            describe_crew(configuration, crew).model_dump(),
        )
        for crew in configuration.crews
    ]


def describe_crew(configuration: SystemConfiguration, crew: Crew) -> CrewVersion:
    policy = crew.model_dump(include=set(ScalingPolicy.model_fields))
    return CrewVersion(
        placeholders=tuple(crew.placeholders),
        policy=ScalingPolicy(**policy),
        thresholds=configuration.thresholds,
        budget=crew.budget,
    )


def prepare_alerts(
    system: System, version: int, configuration: SystemConfiguration, now: datetime
) -> list[Put]:
    """An alert for each metric with thresholds; one that is there keeps its state."""
    item = {"state": "insufficient_data", "since": format_time(now), "created_by": version}
    return [
        Put(system.scope.alert_key(crew.name, metric), item, [Absent()])
        for crew in configuration.crews
        for metric in resolve_thresholds(configuration)
    ]


def prepare_capacity(system: System, version: int, crew: Crew) -> Put:
    """A crew that the system has not had; one that it has keeps its capacity."""
    item: dict[str, Any] = {"capacity": crew.initial_capacity, "running": 0, "created_by": version}
    if system.state == "paused":
        item["paused"] = True
    return Put(system.scope.crew_key(crew.name), item, [Absent()])


def prepare_plan(
    system: System, version: int, configuration: SystemConfiguration, default: Frequency
) -> Put:
    """`default`: the environment's, for a system that says none."""
    plan = BackupPlan(
        frequency=configuration.backup_frequency or default,
        retention_days=configuration.retention_days,
        storage=configuration.backup_storage,
        encryption_enabled=configuration.encryption_enabled,
        test_restores=configuration.test_restores,
    )
    return Put(plan_key(system.system_id, version), plan.model_dump())


def activate(
    system: System,
    deployment: DeploymentState,
    configuration: SystemConfiguration,
    crews: Mapping[str, CrewState],
    retired: Sequence[str],
    stages: Sequence[Stage],
    now: datetime,
) -> list[Write]:
    """Makes the version current, with capacities within its bounds: all or nothing.

    `crews`: as they were read. `retired`: crews of earlier versions with tasks still.
    """
    made_current = {
        "state": "active" if system.state == "deploying" else system.state,
        "current_version": deployment.version,
        "crews": [crew.name for crew in configuration.crews],
        "retired": list(retired),
        "updated_at": format_time(now),
        ACTIVE_SYSTEMS.partition: EVERY_ACTIVE,
    }
    return [
        Update(
            system_key(system.system_id),
            made_current,
            {},
            ["deploying"],
            [Equals("deploying", deployment.number)],
        ),
        end_deployment(system.system_id, deployment, "succeeded", stages, (), now),
        *adjust_crews(system, configuration, crews),
    ]


def list_dropped(system: System, configuration: SystemConfiguration) -> list[str]:
    """Crews that the system has had and the version has not."""
    had = dict.fromkeys((*system.crews, *system.retired)) if system.current_version else {}
    names = {crew.name for crew in configuration.crews}
    return [name for name in had if name not in names]


def adjust_crews(
    system: System, configuration: SystemConfiguration, crews: Mapping[str, CrewState]
) -> list[Write]:
    """Of crews whose capacity the version's bounds do not allow, or whose pause is an old one's."""
    paused = system.state == "paused"
    writes: list[Write] = []
    for crew in configuration.crews:
        found = crews[crew.name]
        capacity = describe_crew(configuration, crew).policy.clamp(found.capacity)
        if (capacity, paused) == (found.capacity, found.paused):
            continue
        writes.append(
            Update(
                system.scope.crew_key(crew.name),
                {"capacity": capacity} | ({"paused": True} if paused else {}),
                {},
                [] if paused else ["paused"],
                [Equals("capacity", found.capacity)],
            )
        )
    return writes


def take_away(system: System, version: int, configuration: SystemConfiguration) -> list[Delete]:
    """What was prepared for a version that does not become current. Each may be gone already."""
    ours = [Equals("created_by", version)]
    metrics = resolve_thresholds(configuration)
    per_crew = [
        delete
        for crew in configuration.crews
        for delete in (
            Delete(crew_version_key(system.system_id, version, crew.name)),
            Delete(system.scope.crew_key(crew.name), ours),
            *(Delete(system.scope.alert_key(crew.name, metric), ours) for metric in metrics),
        )
    ]
    return [*per_crew, Delete(plan_key(system.system_id, version))]


def fail_deployment(
    system: System,
    deployment: DeploymentState,
    stages: Sequence[Stage],
    reasons: Sequence[FieldError],
    now: datetime,
) -> list[Write]:
    """The system is as before; a first deployment leaves it `failed`, and its name free."""
    key, at = system_key(system.system_id), {"updated_at": format_time(now)}
    conditions = [Equals("deploying", deployment.number)]
    ended = end_deployment(system.system_id, deployment, "failed", stages, reasons, now)
    if system.current_version:
        return [Update(key, at, {}, ["deploying"], conditions), ended]
    return [
        Update(key, at | {"state": "failed"}, {}, ["deploying"], conditions),
        ended,
        Delete(name_key(system.name), [Equals("system_id", system.system_id)]),
    ]


def end_deployment(
    system_id: str,
    deployment: DeploymentState,
    status: str,
    stages: Sequence[Stage],
    reasons: Sequence[FieldError],
    now: datetime,
) -> Update:
    ended = {
        "status": status,
        "stages": dump_stages(stages),
        "reasons": list_reasons(list(reasons)),
        "ended_at": format_time(now),
    }
    return change_deployment(system_id, deployment, ended, LEASE_KEYS)


def change_deployment(
    system_id: str,
    deployment: DeploymentState,
    assign: Mapping[str, Any],
    remove: Sequence[str] = (),
) -> Update:
    conditions: list[Condition] = [Equals("status", "running"), Equals("epoch", deployment.epoch)]
    return Update(
        deployment_key(system_id, deployment.number), assign, {}, remove, conditions=conditions
    )


def dump_stages(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    return [stage.model_dump(exclude_none=True) for stage in stages]
