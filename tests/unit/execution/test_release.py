"""A release in the middle of a task: begun by one version of the code, ended by the next."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from quarterdeck.execution.crews import Tools
from quarterdeck.execution.journaled_tool import make_tool
from quarterdeck.http.services import Services
from quarterdeck.keys import CALL_PREFIX
from quarterdeck.names import read_clock
from quarterdeck.retention import Retention
from quarterdeck.systems.configuration import Crew
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.event_log import read_batches
from quarterdeck.tasks.store import TaskView
from tests.openai_server import Body, Message, OpenAIServer, Refused
from tests.unit.execution import sites
from tests.unit.execution.journals import Letter, call_tools, say
from tests.unit.execution.sites import STEPS, Site

WAIT_S = 600
DAYS = Retention(tasks_days=9, journals_days=4, metrics_days=17, events_days=6)


class Release:
    """A task that the provider puts off at its third step, and what is released before it goes on.

    Its first step sends a letter.
    """

    def __init__(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        self.services = services
        self.monkeypatch = monkeypatch
        self.sent: list[str] = []
        self.server = OpenAIServer(self.answer)
        self.refuses = True

    def answer(self, body: Body) -> Message:
        asked = str(body["messages"][-1]["content"])
        if self.refuses and "Do draft" in asked:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, WAIT_S)
        if body["messages"][-1]["role"] == "tool":
            return say("Did gather.")
        step = next(step for step in STEPS if f"Do {step}" in asked)
        return call_tools(("a", "Rome")) if step == "gather" else say(f"Did {step}.")

    def make_letters(self, description: str, *, has_effect: bool) -> Callable[[Crew], Tools]:
        def send(arguments: Mapping[str, Any], key: str) -> str:
            self.sent.append(key)
            return f"Sent to {arguments['address']}."

        tool = make_tool(
            "send_letter", description, Letter, send, has_effect=has_effect, in_doubt="repeat"
        )
        return lambda _: {"A": [lambda: tool]}

    def begin(self, *, has_effect: bool = True) -> None:
        """Runs the task under the release "one" until it is put off."""
        self.monkeypatch.setattr("quarterdeck.execution.journal.fingerprint_code", lambda: "one")
        crew = sites.make_crew(self.server.url)
        self.site = Site(self.services, self.server.url, crew=crew)
        self.site.worker = replace(
            self.site.worker, make_tools=self.make_letters("Sends.", has_effect=has_effect)
        )
        self.task_id = self.site.submit()
        self.site.work()
        view = self.view()
        assert (view.status, view.attempts, bool(view.not_before)) == ("queued", 1, True)

    def go_on(self, description: str = "Sends.", *, has_effect: bool = True) -> None:
        """Releases "two", whose tool has this description, and runs the task when it is due."""
        self.monkeypatch.setattr("quarterdeck.execution.journal.fingerprint_code", lambda: "two")
        self.refuses = False
        tools = self.make_letters(description, has_effect=has_effect)
        self.site.worker = replace(self.site.worker, make_tools=tools)
        services, scope = self.services, self.site.system.scope
        admit_tasks(services.table, services.task_queue, scope, "research", read_later)
        self.site.work()

    def view(self) -> TaskView:
        return self.site.view(self.task_id)

    def count_calls(self) -> dict[str, int]:
        """How many calls each release has recorded."""
        partition = self.site.system.scope.state_key(self.task_id).pk
        codes = [item["code"] for item in self.services.table.query(partition, CALL_PREFIX)]
        return {code: codes.count(code) for code in set(codes)}


def read_later() -> datetime:
    return read_clock() + timedelta(seconds=WAIT_S + 60)


@pytest.fixture
def release(services: Services, monkeypatch: pytest.MonkeyPatch) -> Release:
    return Release(services, monkeypatch)


def test_a_task_ends_under_the_next_release_without_a_call_paid_twice(release: Release) -> None:
    release.services.table.retention = DAYS
    with release.server as server:
        release.begin()
        assert len(server.requests) == 4  # The letter, its answer, `weigh`, and the refusal.
        release.go_on()
    view = release.view()
    assert view.status == "succeeded"
    assert [step.output for step in view.steps] == [f"Did {step}." for step in STEPS]
    assert len(server.requests) == 6
    assert len(release.sent) == 1
    assert view.usage
    assert view.usage.requests == 5
    # A tool's call has its mark and its record.
    assert release.count_calls() == {"one": 5, "two": 2}
    check_days(release)


def check_days(release: Release) -> None:
    """What the run has left expires when the environment says."""
    scope, table = release.site.system.scope, release.services.table
    now = read_clock().timestamp()
    days = {
        item["sk"].partition("#")[0]: round((item["expires_at"] - now) / 86_400)
        for item in table.query(scope.state_key(release.task_id).pk, "")
    }
    assert days == {"CALL": 4, "END": 9, "EVENT": 6, "SPEC": 9, "STATE": 9}
    buckets = table.query(scope.bucket_partition("research"), "")
    assert {round((item["expires_at"] - now) / 86_400) for item in buckets} == {17}


def test_a_release_that_asks_otherwise_repeats_no_effect(release: Release) -> None:
    with release.server as server:
        release.begin()
        asked = len(server.requests)
        release.go_on("Sends a letter by post.")
    view = release.view()
    assert (view.status, view.error and view.error.type) == ("failed", "diverged")
    assert view.error
    assert "send_letter" in view.error.message
    assert len(server.requests) == asked
    assert len(release.sent) == 1


def test_a_release_that_asks_otherwise_goes_on_where_nothing_was_done(release: Release) -> None:
    with release.server as server:
        release.begin(has_effect=False)
        asked = len(server.requests)
        release.go_on("Sends a letter by post.", has_effect=False)
    assert release.view().status == "succeeded"
    # All is asked anew, but what does not speak of the tool: here all does.
    assert len(server.requests) - asked == len(STEPS) + 1
    scope = release.site.system.scope
    batches = read_batches(release.services.table, scope, release.task_id, 0)
    assert "diverged" in [event.type for batch in batches for event in batch.events]
