"""What the monitor does for systems: nothing that was begun stays lying, and health is known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.store import AlertStore
from quarterdeck.blobs import BlobStore
from quarterdeck.leases import list_due
from quarterdeck.monitoring.system_upkeep import SystemUpkeep
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.deployments import claim
from quarterdeck.systems.health import CHECK_MINUTES, HealthCheck
from quarterdeck.systems.lifecycle import request_deletion
from quarterdeck.systems.store import SystemStore
from quarterdeck.tasks.queue import LifecycleMessage, Queue
from tests import systems
from tests.fakes import FakeTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Sent(Queue[LifecycleMessage]):
    def __init__(self) -> None:
        self.messages: list[LifecycleMessage] = []

    def send(self, message: LifecycleMessage, delay_s: int = 0) -> None:
        self.messages.append(message)


class Site:
    def __init__(self) -> None:
        self.now = NOON
        self.secrets = {"openai"}
        self.store = SystemStore(FakeTable(), BlobStore(cast("S3Client", None), "unused"))
        self.health = HealthCheck(self.store, lambda name: name in self.secrets, ())
        self.queue = Sent()
        self.upkeep = SystemUpkeep(
            self.store, self.health, AlertStore(self.store.table), self.queue, self.clock
        )

    def clock(self) -> datetime:
        return self.now

    def resend_deployments(self) -> int:
        return self.upkeep.resend_deployments(list_due(self.store.table, self.now))

    def run_minutes(self, act: Callable[[], int], minutes: int) -> int:
        """What came of it, minute by minute."""
        done = 0
        for _ in range(minutes):
            done += act()
            self.now += timedelta(minutes=1)
        return done

    def sent(self) -> list[dict[str, object]]:
        return [message.model_dump() for message in self.queue.messages]


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_deployment_that_nobody_took_is_sent_again(site: Site) -> None:
    parsed = SystemConfiguration.model_validate(systems.system())
    site.store.create("desk-1", parsed, site.now)
    assert site.run_minutes(site.resend_deployments, 5) == 0
    assert site.run_minutes(site.resend_deployments, 6) == 1
    assert site.sent() == [{"system_id": "desk-1", "number": 1}]
    systems.activate(site.store, "desk-1", site.clock)
    assert site.run_minutes(site.resend_deployments, 30) == 0


def test_a_deployment_whose_deployer_is_lost_is_sent_again(site: Site) -> None:
    parsed = SystemConfiguration.model_validate(systems.system())
    site.store.create("desk-1", parsed, site.now)
    assert claim(site.store, "desk-1", 1, site.clock, 300)
    assert site.run_minutes(site.resend_deployments, 5) == 0
    assert site.run_minutes(site.resend_deployments, 2) == 1


def test_each_system_is_checked_once_in_fifteen_minutes(site: Site) -> None:
    for number in range(40):
        systems.deploy(site.store, systems.system(f"desk-{number}"), site.clock)
    assert site.run_minutes(site.upkeep.look_after_systems, CHECK_MINUTES) == 40
    assert site.run_minutes(site.upkeep.look_after_systems, CHECK_MINUTES) == 40


def test_health_is_kept_with_the_time_since_when_it_is_so(site: Site) -> None:
    llm = {"model": "openai/gpt-4o", "secret": "openai"}
    crew = systems.crew(agents=[systems.agent(llm=llm)])
    system = systems.deploy(site.store, systems.system(crews=[crew]), site.clock)
    assert site.health.get_known(system) is None
    seen = []
    for secrets in ({"openai"}, {"openai"}, set(), set(), {"openai"}):
        site.secrets = secrets
        site.run_minutes(site.upkeep.look_after_systems, CHECK_MINUTES)
        seen.append(site.health.get_known(system))
    assert [known and known.status for known in seen] == [
        "healthy", "healthy", "unhealthy", "unhealthy", "healthy",
    ]  # fmt: skip
    times = [(known.since, known.checked_at) for known in seen if known]
    assert times[1][0] == times[0][0]
    assert times[3][0] == times[2][0] == times[2][1]
    assert times[4][0] == times[4][1]


def test_a_system_that_is_not_healthy_is_an_alert_until_it_is(site: Site) -> None:
    llm = {"model": "openai/gpt-4o", "secret": "openai"}
    crew = systems.crew(agents=[systems.agent(llm=llm)])
    system = systems.deploy(site.store, systems.system(crews=[crew]), site.clock)
    alerts = AlertStore(site.store.table)
    seen = []
    for secrets in ({"openai"}, set(), set(), {"openai"}):
        site.secrets = secrets
        site.run_minutes(site.upkeep.look_after_systems, CHECK_MINUTES)
        alert = alerts.find(system.scope, AlertName(None, "health"))
        assert alert
        seen.append((alert.state, [change.detail for change in alert.outbox]))
    reason = "research: there is no secret 'openai'"
    assert seen == [
        ("ok", []), ("critical", [reason]), ("critical", [reason]), ("ok", [reason, None]),
    ]  # fmt: skip


def test_a_deletion_that_was_lost_is_sent_again(site: Site) -> None:
    system = systems.deploy(site.store, systems.system(), site.clock)
    request_deletion(site.store, system, force=False, now=site.now)
    site.run_minutes(site.upkeep.look_after_systems, CHECK_MINUTES)
    assert site.sent() == [{"system_id": system.system_id, "delete": True}]


def test_a_system_that_fails_keeps_no_other_from_its_check(site: Site) -> None:
    broken = systems.deploy(site.store, systems.system("broken"), site.clock)
    systems.deploy(site.store, systems.system("well"), site.clock)
    get = site.store.get_configuration

    def fail_for_one(system_id: str, version: int) -> SystemConfiguration:
        if system_id == broken.system_id:
            raise OSError("S3 is away")
        return get(system_id, version)

    site.store.get_configuration = fail_for_one  # type: ignore[method-assign]
    assert site.run_minutes(site.upkeep.look_after_systems, CHECK_MINUTES) == 1
