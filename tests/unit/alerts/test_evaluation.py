"""The monitor's evaluation of a crew: what is told, what is kept, and what it costs."""

from collections import Counter

import pytest

from quarterdeck.alerts.names import AlertName
from quarterdeck.table import Put
from tests.alert_site import BAD, ERRORS, GOOD, SYSTEM, Site, crash_at
from tests.faults import Crash


@pytest.fixture
def site() -> Site:
    return Site()


def test_an_alert_is_told_once_and_so_is_its_recovery(site: Site) -> None:
    site.run((BAD, 60), (GOOD, 60))
    assert site.told() == ["critical", "ok"]
    first = site.wire.sent[0]
    assert first.model_dump(exclude_none=True) == {
        "id": ERRORS.make_change_id(SYSTEM.scope, 1),
        "environment": "production",
        "system_id": "desk-1",
        "system": "desk",
        "crew": "research",
        "metric": "error_rate",
        "state": "critical",
        "previous": "insufficient_data",
        "value": 0.25,
        "thresholds": {"warning": 0.05, "critical": 0.1},
        "samples": 40,
        "since": "2026-11-23T12:02:00.000Z",
        "link": "/crews/desk-1/alerts",
    }
    assert [entry["entry_id"] for entry in site.history()] == site.wire.ids


def test_what_changes_nothing_writes_nothing(site: Site) -> None:
    site.run((BAD, 10))
    writes: list[None] = []
    site.table.calls.before_write = lambda: writes.append(None)
    site.run((BAD, 100))
    assert not writes
    site.run(({"succeeded": 39, "failed": 1}, 3))
    assert len(writes) == 1


def test_an_evaluation_reads_once_for_all_crews(site: Site) -> None:
    reads: Counter[str] = Counter()
    site.run((BAD, 10))
    site.table.calls.before_read = lambda operation, _: reads.update([operation])
    site.run((BAD, 10))
    assert reads == {"query": 10}


def test_a_system_of_another_generation_has_other_ids() -> None:
    restored = SYSTEM.model_copy(update={"generation": 2})
    ids = {
        name.make_change_id(system.scope, number)
        for system in (SYSTEM, restored)
        for name in (ERRORS, AlertName("research", "workload"), AlertName(None, "health"))
        for number in (1, 2)
    }
    assert len(ids) == 12


def test_a_metric_whose_thresholds_are_gone_is_given_up(site: Site) -> None:
    site.run((BAD, 10))
    site.thresholds.clear()
    site.run((BAD, 30))
    assert site.told() == ["critical", "insufficient_data"]


def test_a_metric_without_thresholds_leaves_nothing(site: Site) -> None:
    site.thresholds.clear()
    site.run((BAD, 30))
    names = site.store.list_all(SYSTEM.scope)
    assert set(names) <= {AlertName("research", "throttling")}


def test_a_throttling_provider_alerts(site: Site) -> None:
    site.run(({"succeeded": 5, "llm_calls": 10, "throttled": 30}, 10))
    [announcement] = site.wire.sent
    assert (announcement.metric, announcement.state) == ("throttling", "critical")
    assert (announcement.value, announcement.samples) == (0.75, 40)


def test_a_condition_that_is_noted_is_told_by_the_next_evaluation(site: Site) -> None:
    site.note("ok")
    site.note("critical", "research: there is no secret 'openai'")
    assert not site.wire.sent
    site.run((GOOD, 5))
    [announcement] = site.wire.sent
    assert (announcement.metric, announcement.crew) == ("health", None)
    assert announcement.detail == "research: there is no secret 'openai'"
    site.note("critical", "research: there is no secret 'openai'")
    site.note("ok")
    site.run((GOOD, 5))
    assert site.told() == ["critical", "ok"]


def test_what_a_condition_is_never_raised_to_is_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="'health' is never 'warning'"):
        site.note("warning")


def test_what_is_due_of_a_crew_that_is_no_more_is_told(site: Site) -> None:
    site.wire.before = crash_at(0)
    with pytest.raises(Crash):
        site.run((BAD, 10))
    dropped = SYSTEM.model_copy(update={"crews": ("writing",)})
    site.check.settle_conditions(dropped, site.check.read_alerts(dropped), site.now)
    assert site.told() == ["critical"]


def test_an_alert_that_a_deployment_made_says_so_still(site: Site) -> None:
    item = {"state": "insufficient_data", "since": "2026-11-23T11:00:00.000Z", "created_by": 1}
    site.table.write(Put(SYSTEM.scope.alert_key(*ERRORS), item))
    site.run((BAD, 10))
    assert (site.find().created_by, site.find().state) == (1, "critical")
