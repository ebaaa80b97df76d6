"""A real crew under the real worker, on moto: cut short, hanging, refused, cancelled."""

import threading
from typing import Any

import pytest

from quarterdeck.execution.lease import Limits
from quarterdeck.execution.workspace import Workspace
from quarterdeck.http.services import Services
from quarterdeck.metrics.reading import MetricsReader
from quarterdeck.names import read_clock
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.submission import retry_task
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.sites import STEPS, Site, answer


def test_a_task_that_is_cut_short_goes_on_without_a_repeated_call(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url)
        task_id = site.submit()
        invocations = 0
        while message := site.take():
            asked = len(server.requests)

            def left(asked: int = asked) -> float:
                """Time for one call in each invocation."""
                return 900.0 if len(server.requests) == asked else 30.0

            site.worker.handle(message, left)
            invocations += 1
    view = site.view(task_id)
    assert len(server.requests) == len(STEPS)
    assert (view.status, view.continuations) == ("succeeded", invocations - 1)
    assert invocations == len(STEPS)
    assert [step.output for step in view.steps] == [f"Did {step}." for step in STEPS]
    assert view.usage
    assert view.usage.requests == len(STEPS)
    reader = MetricsReader(services.table)
    counters = reader.read_window(site.system.scope, "research", read_clock()).counters
    assert (counters["continuations"], counters["llm_calls"]) == (invocations - 1, len(STEPS))
    assert sum(counters[name] for name in counters if name.startswith("llm_bin_")) == len(STEPS)


def test_a_call_that_hangs_is_given_up_and_the_task_continued(services: Services) -> None:
    release, ended = threading.Event(), threading.Event()
    hangs = [True]

    def hang_once(body: Body) -> Message:
        if hangs and hangs.pop():
            release.wait(30)
        return answer(body)

    left = [900.0]
    with OpenAIServer(hang_once) as server:
        limits = Limits(beat=0.05)
        site = Site(services, server.url, limits=limits, end_process=ended.set)
        task_id = site.submit()
        running = threading.Thread(target=lambda: site.work(lambda: left[0]), daemon=True)
        running.start()
        while not server.requests:
            threading.Event().wait(0.01)
        left[0] = 10.0
        assert ended.wait(20)
        assert site.view(task_id).status == "dispatched"
        left[0] = 900.0
        release.set()
        running.join(60)
    assert site.view(task_id).status == "succeeded"
    assert site.view(task_id).continuations == 1


def test_a_cancelled_task_makes_no_further_call(services: Services) -> None:
    site: Site

    def cancel_at_the_second(body: Body) -> Message:
        if len(server.requests) == 2:
            stop_task(services.table, services.blobs, site.system.scope, task_id, read_clock)
        return answer(body)

    with OpenAIServer(cancel_at_the_second) as server:
        site = Site(services, server.url, limits=Limits(fresh=0.0))
        task_id = site.submit()
        site.work()
    view = site.view(task_id)
    assert (view.status, len(server.requests)) == ("cancelled", 2)
    assert view.usage
    assert view.usage.requests == 2


def test_a_retry_pays_for_no_call_again(services: Services) -> None:
    failing = [True]

    def fail_at_draft(body: Body) -> Message:
        if failing and "Do draft" in str(body["messages"][-1]["content"]):
            raise ConnectionResetError
        return answer(body)

    with OpenAIServer(fail_at_draft) as server:
        site = Site(services, server.url, limits=Limits(fresh=0.0))
        task_id = site.submit()
        stop_when_two_are_done(site, server, task_id)
        failing.clear()
        asked = len(server.requests)
        new = retry_task(services.table, services.blobs, site.system, task_id, read_clock())
        site.admit()
        site.work()
    assert site.view(new.task_id).status == "succeeded"
    assert site.view(new.task_id).retry_of == task_id
    assert len(server.requests) - asked == 2
    # What a retry reads of the old journal was counted with the old task.
    paid = [usage.requests for task in (task_id, new.task_id) if (usage := site.view(task).usage)]
    assert paid == [2, 2]


def stop_when_two_are_done(site: Site, server: OpenAIServer, task_id: str) -> None:
    """Lets the task run into the provider's fault, and cancels it there."""
    services = site.services

    def cancel() -> None:
        while len(server.requests) < 3:
            threading.Event().wait(0.01)
        stop_task(services.table, services.blobs, site.system.scope, task_id, read_clock)

    canceller = threading.Thread(target=cancel, daemon=True)
    canceller.start()
    site.work()
    canceller.join()
    assert site.view(task_id).status == "cancelled"


def test_a_workspace_leaves_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with OpenAIServer(answer) as server:
        site = Site(services, server.url)
        task_id = site.submit()
        site.work()
    assert site.view(task_id).status == "succeeded"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("served", "memory_mb"), [(500, None), (1, 1)])
def test_a_worn_out_process_is_replaced(served: int, memory_mb: int | None) -> None:
    workspace = Workspace(memory_mb)
    workspace.served = served
    assert workspace.is_worn_out()
    assert not Workspace().is_worn_out()
