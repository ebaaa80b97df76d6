"""What goes wrong in an evaluation loses no announcement, and makes none of its own."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.alerts.announcement import Announcement
from quarterdeck.systems.thresholds import DEFAULTS
from tests.alert_site import BAD, ERRORS, GOOD, MINUTE, SYSTEM, Site, crash_at
from tests.faults import Conflict, Crash, LostAnswer, Unreachable


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize("hook", ["before_write", "after_write", "before_send", "after_send"])
@pytest.mark.parametrize("call", range(6))
def test_a_crash_at_any_write_or_send_tells_the_same(hook: str, call: int) -> None:
    expected, site = Site(), Site()
    expected.run((BAD, 10), (GOOD, 10))
    site.break_down(hook, crash_at(call))
    crashes = 0
    for counters, minutes in ((BAD, 10), (GOOD, 10)):
        for _ in range(minutes):
            try:
                site.evaluate(counters)
            except Crash:
                crashes += 1
                site.now += MINUTE
    assert crashes == (call < 2 if "send" in hook else call < 6)
    assert site.wire.ids == expected.wire.ids
    assert not site.find().outbox


@pytest.mark.parametrize("fault", [LostAnswer, Conflict, Unreachable])
def test_a_fault_of_the_network_tells_the_same(site: Site, fault: type[Exception]) -> None:
    dice = random.Random(7)

    def fail() -> None:
        if dice.random() < 0.3:
            raise fault

    if fault is LostAnswer:
        site.table.calls.after_write = fail
    else:
        site.table.calls.before_write = fail
    site.run((BAD, 40), (GOOD, 40))
    assert site.wire.ids == [ERRORS.make_change_id(SYSTEM.scope, n) for n in (1, 2)]


def test_an_announcement_that_fails_is_made_again_and_keeps_no_other(site: Site) -> None:
    site.thresholds["completion_rate"] = DEFAULTS["completion_rate"]
    away = {"error_rate"}

    def send(announcement: Announcement) -> None:
        if announcement.metric in away:
            raise OSError("SNS is away")
        site.wire.sent.append(announcement)

    site.wire.send = send  # type: ignore[method-assign]
    site.run((BAD, 20), (GOOD, 20), (BAD, 20))
    assert {announcement.metric for announcement in site.wire.sent} == {"completion_rate"}
    assert [change.state for change in site.find().outbox] == ["critical", "ok", "critical"]
    site.wire.sent.clear()
    away.clear()
    site.run((BAD, 2))
    assert site.told() == ["critical", "ok", "critical"]


minutes = st.lists(
    st.tuples(
        st.sampled_from([GOOD, BAD, {"succeeded": 3}]),
        st.integers(1, 8),
        st.sampled_from(["before_write", "after_write", "before_send", "after_send", "nothing"]),
        st.integers(0, 3),
        st.sampled_from([0, 0, 0, 5]),
    ),
    max_size=25,
)


@given(minutes)
def test_whatever_fails_each_change_is_told_with_one_id_and_one_text(
    script: list[tuple[dict[str, int], int, str, int, int]],
) -> None:
    site, silenced = Site(), False
    for counters, times, hook, call, quiet in script:
        site.break_down(hook, crash_at(call))
        for _ in range(times):
            try:
                site.evaluate(counters)
            except Crash:
                site.now += MINUTE
        site.mend()
        if quiet and site.store.find(SYSTEM.scope, ERRORS):
            site.silence(quiet)
            silenced = True
    site.run((BAD, 10))
    changes = [entry["entry_id"] for entry in site.history() if entry["event"] == "changed"]
    assert not site.find().outbox
    assert len({a.model_dump_json() for a in site.wire.sent}) == len(site.wire.ids)
    assert site.wire.ids == [change for change in changes if change in site.wire.ids]
    assert silenced or site.wire.ids == changes
    assert site.wire.sent[-1].state == "critical"


@pytest.mark.parametrize("moment", range(12))
def test_two_evaluators_at_once_tell_the_same(site: Site, moment: int) -> None:
    """Each write and send of the one is a moment at which the other runs through the minute."""
    calls = iter(range(moment + 1))

    def overtake() -> None:
        if next(calls, None) == moment:
            site.look(BAD)

    site.table.calls.before_write = overtake
    site.wire.before = overtake
    site.run((BAD, 10))
    assert set(site.told()) == {"critical"}
    assert site.wire.ids == [ERRORS.make_change_id(SYSTEM.scope, 1)]
    assert len(site.history()) == 1


def test_what_a_person_says_meanwhile_is_kept_and_the_evaluation_made_again(site: Site) -> None:
    """At the write that would raise the alert somebody silences it: it is raised, and not told."""
    calls = iter(("pending", "raised"))

    def interfere() -> None:
        if next(calls, None) == "raised":
            site.silence(60)

    site.table.calls.before_write = interfere
    site.run((BAD, 10))
    alert = site.find()
    assert alert.silence
    assert (alert.state, alert.silence.by, site.told()) == ("critical", "ann", [])


def test_what_is_noted_while_another_change_is_told_is_told_too(site: Site) -> None:
    site.note("critical", "one")

    def recover() -> None:
        site.wire.before = lambda: None
        site.note("ok")

    site.wire.before = recover
    site.run((GOOD, 3))
    assert site.told() == ["critical", "ok"]
