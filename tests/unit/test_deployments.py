"""Deployments: a system has the old version or the new one, whatever happens to the deployer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from quarterdeck.alerts.store import AlertStore
from quarterdeck.blobs import BlobStore
from quarterdeck.errors import Conflict, FieldError
from quarterdeck.execution import deployment as deployment_module
from quarterdeck.execution.deployment import Deployer
from quarterdeck.execution.tool_function import ToolFunction
from quarterdeck.leases import list_due
from quarterdeck.monitoring.system_upkeep import SystemUpkeep
from quarterdeck.systems.configuration import Crew, SystemConfiguration
from quarterdeck.systems.deployments import MAX_ATTEMPTS, Busy
from quarterdeck.systems.health import HealthCheck
from quarterdeck.systems.lifecycle import pause_system, unpause_system
from quarterdeck.systems.records import Deployment, System
from quarterdeck.systems.rollout import describe_crew
from quarterdeck.systems.store import SystemStore
from quarterdeck.table import Item, Update
from quarterdeck.tasks.queue import DeploymentMessage, LifecycleMessage, Queue
from tests import systems
from tests.fakes import FakeTable
from tests.faults import Crash, LostAnswer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
INVOCATION = 300.0
OLD = systems.system(
    crews=[systems.crew("one"), systems.crew("two", min_agents=2, max_agents=9)],
    thresholds={"workload": {"warning": 5, "critical": 9}},
    retention_days=10,
)
NEW = systems.system(
    crews=[
        systems.crew("two", agents=[systems.agent(goal="On {topic}")], max_agents=1),
        systems.crew("three", agents=[systems.agent(), systems.agent("Writer")]),
    ],
    retention_days=20,
)
REFUSED = systems.crew("refused")
MAX_CREWS = SystemConfiguration.model_json_schema()["properties"]["crews"]["maxItems"]


class Site:
    """One table, and deployers that come and go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table = FakeTable()
        self.now = NOON
        self.writes = 0
        self.store = SystemStore(self.table, BlobStore(cast("S3Client", None), "unused"))
        self.deployer = Deployer(
            systems=self.store,
            queue=cast(Queue[LifecycleMessage], None),
            read_secret=lambda name: f"the {name}",
            base_urls=(),
            backup_frequency="daily",
            clock=lambda: self.now,
            manifest={},
            tools=ToolFunction(cast("LambdaClient", None), "no tool is called"),
        )
        # Building crews takes time, and writes nothing.
        monkeypatch.setattr(deployment_module, "check_crew", refuse_some)
        self.table.calls.after_write = self.note_write

    def note_write(self) -> None:
        self.writes += 1
        for item in self.table.dump():
            if item["sk"] == "META":
                check_system(self.store, item["system_id"])

    def deploy(self, configuration: dict[str, Any]) -> System:
        parsed = SystemConfiguration.model_validate(configuration)
        system = self.store.create("desk-1", parsed, self.now)
        self.deliver(1)
        return self.store.get(system.system_id)

    def begin(self, configuration: dict[str, Any]) -> Deployment:
        parsed = SystemConfiguration.model_validate(configuration)
        return self.store.begin_version(self.store.get("desk-1"), parsed, self.now)

    def deliver(self, number: int) -> None:
        message = DeploymentMessage(system_id="desk-1", number=number)
        self.deployer.deploy(message, lambda: INVOCATION)

    def deliver_until_done(self, number: int) -> None:
        while self.store.get_deployment("desk-1", number).status == "running":
            self.now += timedelta(seconds=INVOCATION + 10)
            self.deliver(number)

    def dump(self) -> list[Item]:
        """The table but for what a deployment leaves behind however it ends."""
        kept = []
        for item in self.table.dump():
            if item["sk"].startswith(("DEPLOYMENT#", "VERSION#")):
                continue
            left_out = ("latest_deployment", "updated_at") if item["sk"] == "META" else ()
            kept.append({name: value for name, value in item.items() if name not in left_out})
        return kept


def refuse_some(crew: Crew, *_: object) -> None:
    if crew.name == "refused":
        raise ValueError("crewai says no")


def check_system(store: SystemStore, system_id: str) -> None:
    """What can be read by way of META is all of one version, at any time."""
    system = store.get(system_id)
    if not system.current_version:
        assert system.state in {"deploying", "failed"}
        return
    configuration = store.get_configuration(system_id, system.current_version)
    assert system.crews == tuple(crew.name for crew in configuration.crews)
    assert not set(system.crews) & set(system.retired)
    assert store.get_plan(system).retention_days == configuration.retention_days
    capacities = {crew.name: crew.capacity for crew in store.list_crews(system)}
    for crew in configuration.crews:
        found = store.get_crew_version(system, crew.name)
        assert found == describe_crew(configuration, crew)
        assert found.policy.clamp(capacities[crew.name]) == capacities[crew.name]
    for name in system.retired:
        assert store.table.get(system.scope.crew_key(name))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def test_a_version_becomes_current_stage_by_stage(site: Site) -> None:
    system = site.deploy(OLD)
    assert (system.state, system.current_version, system.deploying) == ("active", 1, None)
    deployment = site.store.get_deployment("desk-1", 1)
    assert deployment.status == "succeeded"
    assert [(stage.name, stage.status) for stage in deployment.stages] == [
        (name, "succeeded")
        for name in (
            "validate",
            "create_crews",
            "monitoring",
            "scaling",
            "backups",
            "health_checks",
            "activate",
        )
    ]
    assert all(stage.ended_at for stage in deployment.stages)
    alerts = [item["sk"] for item in site.table.dump() if item["pk"].endswith("#ALERTS")]
    metrics = ("avg_response_time", "completion_rate", "error_rate", "workload")
    assert alerts == [f"METRIC#{crew}#{m}" for crew in ("one", "two") for m in metrics]


def test_a_further_version_keeps_what_crews_have_and_bounds_it(site: Site) -> None:
    site.deploy(OLD)
    site.begin(NEW)
    site.deliver(2)
    system = site.store.get("desk-1")
    assert (system.crews, system.retired) == (("two", "three"), ())
    assert {c.name: c.capacity for c in site.store.list_crews(system)} == {"two": 1, "three": 2}
    crew = site.store.get_crew_version(system, "two")
    assert crew
    assert crew.placeholders == ("topic",)
    assert site.store.get_crew_version(system, "one") is None


def test_a_dropped_crew_with_tasks_is_looked_after_until_they_end(site: Site) -> None:
    system = site.deploy(OLD)
    held = Update(system.scope.crew_key("one"), {}, {"running": 1})
    site.table.write(held)
    site.begin(NEW)
    site.deliver(2)
    assert site.store.get("desk-1").retired == ("one",)
    site.table.write(replace(held, add={"running": -1}))
    site.begin(NEW)
    site.deliver(3)
    assert site.store.get("desk-1").retired == ()


def test_a_crew_that_comes_back_has_the_pause_of_its_system(site: Site) -> None:
    """Not the one that it had when it was dropped."""
    system = site.deploy(OLD)
    pause_system(site.store, system, site.now)
    for number, configuration in ((2, NEW), (3, OLD)):
        site.begin(configuration)
        site.deliver(number)
        if number == 2:
            unpause_system(site.store, site.store.get("desk-1"), site.now)
    item = site.table.get(system.scope.crew_key("one"))
    assert item
    assert "paused" not in item


def test_as_many_crews_as_a_system_may_have_become_current_at_once(site: Site) -> None:
    site.table.calls.after_write = lambda: None
    names = [f"crew-{number}" for number in range(MAX_CREWS)]
    site.deploy(OLD | {"crews": [systems.crew(name, min_agents=5) for name in names]})
    site.begin(OLD | {"crews": [systems.crew(name, max_agents=2) for name in names]})
    site.deliver(2)
    system = site.store.get("desk-1")
    assert system.current_version == 2
    assert [crew.capacity for crew in site.store.list_crews(system)] == [2] * MAX_CREWS
    check_system(site.store, "desk-1")


def test_what_fails_leaves_all_as_it_was_with_the_reason(site: Site) -> None:
    site.deploy(OLD)
    before = site.dump()
    site.begin(NEW | {"crews": [*NEW["crews"], REFUSED]})
    site.deliver(2)
    assert site.dump() == before
    failed = site.store.get_deployment("desk-1", 2)
    assert (failed.status, failed.stages[-1].name) == ("failed", "create_crews")
    assert [r.model_dump() for r in failed.reasons] == [
        {"field": "crews[2]", "rule": "ValueError: crewai says no"}
    ]


def test_a_first_deployment_that_fails_frees_the_name(site: Site) -> None:
    system = site.deploy(OLD | {"crews": [REFUSED]})
    assert (system.state, system.current_version) == ("failed", 0)
    site.store.require_free_name("desk")
    kinds = {item["sk"].split("#")[0] for item in site.table.dump()}
    assert kinds == {"META", "VERSION", "DEPLOYMENT"}


def test_one_deployment_of_a_system_at_a_time(site: Site) -> None:
    site.deploy(OLD)
    site.begin(NEW)
    with pytest.raises(Conflict, match="deployment 2 of the system is running"):
        site.begin(NEW)


def test_two_deployers_take_one_deployment_in_turn(site: Site) -> None:
    site.deploy(OLD)
    site.begin(NEW)
    site.table.calls.before_write = crash_at(3)
    with pytest.raises(Crash):
        site.deliver(2)
    site.table.calls.before_write = lambda: None
    with pytest.raises(Busy):
        site.deliver(2)
    site.deliver_until_done(2)
    assert site.store.get("desk-1").current_version == 2


def test_a_message_that_is_sent_again_for_a_lost_deployer_is_taken_at_once(site: Site) -> None:
    site.deploy(OLD)
    site.begin(NEW)
    site.table.calls.before_write = crash_at(5)
    with pytest.raises(Crash):
        site.deliver(2)
    site.table.calls.before_write = lambda: None
    sent: list[LifecycleMessage] = []
    queue = cast(Queue[LifecycleMessage], SimpleNamespace(send=sent.append))
    upkeep = SystemUpkeep(
        site.store, cast(HealthCheck, None), AlertStore(site.table), queue, lambda: site.now
    )
    assert upkeep.resend_deployments(list_due(upkeep.systems.table, upkeep.clock())) == 0
    site.now += timedelta(seconds=INVOCATION + 10)
    assert upkeep.resend_deployments(list_due(upkeep.systems.table, upkeep.clock())) == 1
    assert upkeep.resend_deployments(list_due(upkeep.systems.table, upkeep.clock())) == 0
    assert sent == [DeploymentMessage(system_id="desk-1", number=2)]
    site.deliver(2)
    assert site.store.get("desk-1").current_version == 2


def test_a_message_that_comes_again_changes_nothing(site: Site) -> None:
    site.deploy(OLD)
    before = site.table.dump()
    site.deliver(1)
    assert site.table.dump() == before


def test_a_deployment_that_deployers_die_of_is_rolled_back(site: Site) -> None:
    site.deploy(OLD)
    before = site.dump()
    site.begin(NEW)
    for _ in range(MAX_ATTEMPTS):
        site.now += timedelta(seconds=INVOCATION + 10)
        site.table.calls.before_write = crash_at(15)
        with pytest.raises(Crash):
            site.deliver(2)
    site.table.calls.before_write = lambda: None
    site.deliver_until_done(2)
    assert site.dump() == before
    assert site.store.get_deployment("desk-1", 2).reasons[0].rule == (
        "3 deployers were lost in a row"
    )


def test_a_rollback_is_a_new_version_of_an_old_configuration(site: Site) -> None:
    site.deploy(OLD)
    site.begin(NEW)
    site.deliver(2)
    deployment = site.store.begin_rollback(site.store.get("desk-1"), None, site.now)
    assert (deployment.number, deployment.of_version, deployment.kind) == (3, 1, "rollback")
    site.deliver(3)
    system = site.store.get("desk-1")
    assert (system.current_version, system.crews) == (3, ("one", "two"))
    again = site.store.begin_rollback(system, None, site.now)
    assert again.of_version == 2


def test_a_rollback_goes_to_what_was_once_current(site: Site) -> None:
    system = site.deploy(OLD)
    with pytest.raises(Conflict, match="the system has no earlier version"):
        site.store.begin_rollback(system, None, site.now)
    site.begin(NEW | {"crews": [REFUSED]})
    site.deliver(2)
    site.begin(NEW)
    site.deliver(3)
    system = site.store.get("desk-1")
    with pytest.raises(Conflict, match="version 2 has never been current"):
        site.store.begin_rollback(system, 2, site.now)
    with pytest.raises(Conflict, match="version 3 is current"):
        site.store.begin_rollback(system, 3, site.now)
    assert site.store.begin_rollback(system, None, site.now).of_version == 1


def test_a_capacity_that_changes_meanwhile_is_bounded_as_it_is_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the deployer's look at it and its last write."""
    last = run_with_crash(monkeypatch, NEW, None, "no").writes
    site = Site(monkeypatch)
    system = site.deploy(OLD)
    site.begin(NEW)
    writes = count(1)
    scaled = Update(system.scope.crew_key("two"), {"capacity": 7}, {})

    def scale() -> None:
        if next(writes) == last:
            site.table.calls.after_write = lambda: None
            site.table.write(scaled)
            site.table.calls.after_write = site.note_write

    site.table.calls.before_write = scale
    site.deliver(2)
    capacities = {
        crew.name: crew.capacity for crew in site.store.list_crews(site.store.get("desk-1"))
    }
    assert capacities["two"] == 1


def crash_at(number: int) -> Callable[[], None]:
    """Before the write of this number, from now on."""
    counted = count(1)

    def before() -> None:
        if next(counted) == number:
            raise Crash

    return before


def list_deployments() -> Iterator[tuple[str, dict[str, Any] | None]]:
    yield "new", NEW
    yield "refused", NEW | {"crews": [*NEW["crews"], REFUSED]}
    yield "rollback", None


@pytest.mark.parametrize("hook", ["before_write", "after_write", "lost answer"])
@pytest.mark.parametrize(("name", "configuration"), list(list_deployments()))
def test_a_deployer_that_dies_anywhere_leaves_old_or_new(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    configuration: dict[str, Any] | None,
    hook: str,
) -> None:
    """`note_write` looks at the system after each write, also of those who come after."""
    undisturbed = run_with_crash(monkeypatch, configuration, None, hook)
    for number in range(1, undisturbed.writes + 1):
        site = run_with_crash(monkeypatch, configuration, number, hook)
        assert describe_end(site) == describe_end(undisturbed), (name, hook, number)


def run_with_crash(
    monkeypatch: pytest.MonkeyPatch,
    configuration: dict[str, Any] | None,
    number: int | None,
    hook: str,
) -> Site:
    """The site after OLD, then a further deployment whose deployer dies once."""
    site = Site(monkeypatch)
    site.deploy(OLD)
    before = site.dump()
    if configuration is None:
        site.begin(NEW)
        site.deliver(2)
        site.store.begin_rollback(site.store.get("desk-1"), 1, site.now)
    else:
        site.begin(configuration)
    latest = site.store.get("desk-1").latest_deployment
    site.writes = 0
    if number:
        disturb(site, number, hook)
        try:
            site.deliver(latest)
        except Crash:
            site.table.calls.before_write = lambda: None
            site.table.calls.after_write = site.note_write
    site.deliver_until_done(latest)
    if configuration and REFUSED in configuration["crews"]:
        assert site.dump() == before
    return site


def disturb(site: Site, number: int, hook: str) -> None:
    if hook == "before_write":
        site.table.calls.before_write = crash_at(number)
        return

    def after() -> None:
        site.note_write()
        if site.writes == number:
            raise Crash if hook == "after_write" else LostAnswer

    site.table.calls.after_write = after


def describe_end(site: Site) -> tuple[Any, ...]:
    """What must not depend on what was in between."""
    system = site.store.get("desk-1")
    deployment = site.store.get_deployment("desk-1", system.latest_deployment)
    return (
        system.model_copy(update={"updated_at": ""}),
        deployment.status,
        deployment.reasons,
        [(stage.name, stage.status) for stage in deployment.stages],
        site.store.list_crews(system),
    )


def test_a_reason_has_the_path_of_a_field(site: Site) -> None:
    bad = OLD | {"thresholds": {"error_rate": {"warning": 0.2, "critical": 0.1}}}
    site.deploy(bad)
    assert [
        FieldError(r.field, r.rule) for r in site.store.get_deployment("desk-1", 1).reasons
    ] == [FieldError("thresholds.error_rate.critical", "critical (0.1) must be over warning (0.2)")]
