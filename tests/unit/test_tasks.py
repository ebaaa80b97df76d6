"""Tasks through the stores and the worker's part, on moto: one caller at a time."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.sqs.models import sqs_backends

from quarterdeck.errors import Conflict
from quarterdeck.execution import worker as execution_worker
from quarterdeck.execution.lease import Limits
from quarterdeck.execution.worker import Worker
from quarterdeck.execution.workspace import Workspace
from quarterdeck.http.services import Services
from quarterdeck.keys import Scope
from quarterdeck.leases import list_due
from quarterdeck.names import read_clock
from quarterdeck.systems.records import System
from quarterdeck.tasks.admission import admit_tasks
from quarterdeck.tasks.attempt import Attempt, claim
from quarterdeck.tasks.ending import CANCELLED, stop_task
from quarterdeck.tasks.events import StepEnded, StepStarted
from quarterdeck.tasks.outcome import Outcome, StepResult, Usage
from quarterdeck.tasks.queue import TaskMessage, WakeMessage, WorkMessage
from quarterdeck.tasks.states import TaskState
from quarterdeck.tasks.submission import TaskRequest, accept_task
from quarterdeck.tasks.upkeep import Upkeep, judge_lost
from tests import systems

LIMITS = Limits(beat=0.1, grace=0.2)
SUCCESS = Outcome(
    status="succeeded",
    output="Done",
    steps=(
        StepResult(name="one", agent="Researcher", output="Done", usage=Usage(), duration_ms=5),
    ),
    usage=Usage(prompt_tokens=7, completion_tokens=3, requests=1),
    duration_ms=5,
    rehearsal=True,
)


@pytest.fixture
def system(services: Services) -> System:
    """Active, with one crew `research` of capacity two."""
    crew = systems.crew(agents=[systems.agent("One"), systems.agent("Two")])
    return systems.deploy(services.systems, systems.system(crews=[crew]))


@pytest.fixture
def submit(services: Services, system: System) -> Callable[..., TaskState]:
    def submit_one(**change: Any) -> TaskState:
        request = TaskRequest.model_validate({"description": "x", "crew_name": "research"} | change)
        return accept_task(services.table, services.blobs, system, request, read_clock())

    return submit_one


def admit(services: Services, system: System) -> list[str]:
    return admit_tasks(services.table, services.task_queue, system.scope, "research", read_clock)


def receive(services: Services) -> list[TaskMessage]:
    sqs, messages = boto3.client("sqs"), []
    while batch := sqs.receive_message(QueueUrl=services.task_queue.url).get("Messages"):
        for message in batch:
            messages.append(TaskMessage.model_validate_json(message["Body"]))
            sqs.delete_message(
                QueueUrl=services.task_queue.url, ReceiptHandle=message["ReceiptHandle"]
            )
    return messages


def count_running(services: Services, scope: Scope) -> int:
    item = services.table.get(scope.crew_key("research"))
    assert item
    running: int = item["running"]
    return running


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Delivers a message to a worker whose crew is `crew`, a function of on_event."""

    def run_one(
        message: WorkMessage,
        crew: Callable[..., Outcome] = lambda on_event: SUCCESS,
        end_process: Callable[[], None] = lambda: None,
    ) -> None:
        def run_crew(*_: Any, on_event: Any, **__: Any) -> Outcome:
            return crew(on_event)

        monkeypatch.setattr(execution_worker, "run_crew", run_crew)
        Worker(
            table=services.table,
            blobs=services.blobs,
            queue=services.task_queue,
            announcer=services.announcer,
            read_secret=lambda name: name,
            make_tools=lambda _: {},
            verbose=False,
            clock=read_clock,
            workspace=Workspace(),
            limits=LIMITS,
            end_process=end_process,
        ).handle(message, lambda: 900)

    return run_one


def test_slots_are_never_more_than_the_capacity(
    services: Services, system: System, submit: Callable[..., TaskState]
) -> None:
    states = [submit() for _ in range(5)]
    assert admit(services, system) == [s.task_id for s in sorted_by_rank(states)[:2]]
    assert admit(services, system) == []
    assert count_running(services, system.scope) == 2


def sorted_by_rank(states: list[TaskState]) -> list[TaskState]:
    return sorted(states, key=lambda state: (state.rank, state.task_id))


def test_tasks_go_in_order_of_rank_and_id(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    priorities = ["low", "high", "medium", "low", "high", "medium", "medium"]
    states = [submit(priority=priority) for priority in priorities]
    admit(services, system)
    order: list[str] = []
    while messages := receive(services):
        for message in messages:
            order.append(message.task_id)
            run(message)
    assert order == [state.task_id for state in sorted_by_rank(states)]
    assert count_running(services, system.scope) == 0


def test_a_task_leaves_its_result_its_steps_and_a_count(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    task_id = submit().task_id
    admit(services, system)

    def crew(on_event: Callable[[Any], None]) -> Outcome:
        on_event(StepStarted(step="one", agent="Researcher"))
        view = services.tasks.get_view(system.scope, task_id)
        assert [(s.name, s.status) for s in view.steps] == [("one", "running")]
        on_event(StepEnded(step="one", agent="Researcher", usage=Usage(), duration_ms=5))
        view = services.tasks.get_view(system.scope, task_id)
        assert (view.status, view.steps[0].status) == ("running", "ended")
        return SUCCESS

    run(receive(services)[0], crew)
    view = services.tasks.get_view(system.scope, task_id)
    assert view.status == "succeeded"
    assert view.result
    assert view.result.output == "Done"
    assert view.usage == SUCCESS.usage
    assert (view.rehearsal, view.steps[0].output) == (True, "Done")
    bucket = read_buckets(services, system)
    assert (bucket["arrivals"], bucket["succeeded"], bucket["prompt_tokens"]) == (1, 1, 7)


def read_buckets(services: Services, system: System) -> dict[str, int]:
    """The sum of the crew's minutes: a test may run over the turn of one."""
    total: dict[str, int] = {}
    pk = system.scope.bucket_key("research", read_clock()).pk
    for item in services.table.query(pk, ""):
        for name in item.keys() - {"pk", "sk", "expires_at"}:
            total[name] = total.get(name, 0) + item[name]
    return total


def test_a_message_that_comes_again_does_nothing(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    submit()
    admit(services, system)
    (message,) = receive(services)
    runs: list[int] = []

    def crew(on_event: object) -> Outcome:
        runs.append(1)
        run(message, crew)
        return SUCCESS

    run(message, crew)
    run(message, crew)
    assert runs == [1]
    assert count_running(services, system.scope) == 0
    assert read_buckets(services, system)["succeeded"] == 1


@pytest.mark.parametrize(
    "change",
    [{"task_id": "unknown"}, {"epoch": 5}, {"generation": 2}, {"system_id": "unknown"}],
)
def test_a_message_of_nothing_current_is_harmless(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
    change: dict[str, Any],
) -> None:
    submit()
    admit(services, system)
    (message,) = receive(services)
    before = boto3.client("dynamodb").scan(TableName="quarterdeck")["Items"]

    def crew(on_event: object) -> Outcome:
        raise AssertionError("it runs")

    run(message.model_copy(update=change), crew)
    assert boto3.client("dynamodb").scan(TableName="quarterdeck")["Items"] == before


def test_a_crew_that_raises_is_a_failed_task(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    task_id = submit().task_id
    admit(services, system)

    def crew(on_event: object) -> Outcome:
        raise RuntimeError("no such model")

    run(receive(services)[0], crew)
    view = services.tasks.get_view(system.scope, task_id)
    assert view.status == "failed"
    assert view.error
    assert (view.error.type, view.error.message) == ("RuntimeError", "no such model")
    assert count_running(services, system.scope) == 0


def test_a_call_that_does_not_return_is_timed_out(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    task_id = submit(timeout=1).task_id
    admit(services, system)
    ended = threading.Event()

    def crew(on_event: object) -> Outcome:
        assert ended.wait(20)
        return SUCCESS

    run(receive(services)[0], crew, ended.set)
    view = services.tasks.get_view(system.scope, task_id)
    assert view.status == "timed_out"
    assert view.duration_ms
    assert view.duration_ms >= 1000
    assert read_buckets(services, system)["timed_out"] == 1
    assert "succeeded" not in read_buckets(services, system)
    assert count_running(services, system.scope) == 0


def test_large_texts_go_to_the_bucket(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    state = submit(description="x" * 90_000)
    assert services.tasks.get_spec(system.scope, state.task_id).description == "x" * 90_000
    admit(services, system)
    long = SUCCESS.model_copy(update={"output": "y" * 300_000})
    run(receive(services)[0], lambda on_event: long)
    view = services.tasks.get_view(system.scope, state.task_id)
    assert view.result is None
    assert view.rehearsal is True
    assert [(step.name, step.output) for step in view.steps] == [("one", None)]
    assert view.result_url
    assert "X-Amz-Signature" in view.result_url
    assert "end-1.json" in view.result_url


class Clock:
    """The time of day, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return read_clock() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def upkeep(services: Services, clock: Clock) -> Upkeep:
    return Upkeep(services.table, services.blobs, services.task_queue, services.announcer, clock)


def test_the_monitor_admits_what_nobody_admitted(
    services: Services, system: System, submit: Callable[..., TaskState], upkeep: Upkeep
) -> None:
    for _ in range(3):
        submit()
    assert upkeep.admit_everywhere(lambda: 0) == 0
    assert upkeep.admit_everywhere() == 2
    assert upkeep.admit_everywhere() == 0


def test_the_monitor_sends_a_lost_message_again_after_ten_minutes(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    upkeep: Upkeep,
    clock: Clock,
) -> None:
    submit()
    admit(services, system)
    first = receive(services)
    assert upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))["resent"] == 0
    clock.ahead = timedelta(minutes=10, seconds=1)
    assert upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))["resent"] == 1
    assert receive(services) == first
    assert upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))["resent"] == 0


def claim_one(services: Services, message: TaskMessage) -> Attempt:
    attempt = claim(services.table, services.blobs, services.task_queue, message, read_clock)
    assert attempt
    return attempt


def test_a_lost_worker_is_replaced_and_three_in_a_row_end_the_task(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    upkeep: Upkeep,
    clock: Clock,
) -> None:
    task_id = submit().task_id
    admit(services, system)
    for crash in range(3):
        stale = claim_one(services, receive(services)[0])
        assert count_running(services, system.scope) == 1
        clock.ahead += timedelta(seconds=121)
        assert upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))["reaped"] == 1
        assert not stale.end(SUCCESS, 5)
        status = services.tasks.get_state(system.scope, task_id).status
        assert status == ("failed" if crash == 2 else "dispatched")
    view = services.tasks.get_view(system.scope, task_id)
    assert view.error
    assert view.error.type == "worker_lost"
    assert count_running(services, system.scope) == 0
    assert read_buckets(services, system)["failed"] == 1


def test_a_worker_that_got_further_is_no_crash_in_a_row() -> None:
    state = TaskState(
        task_id="1",
        crew_name="research",
        status="running",
        epoch=1,
        priority="low",
        version=1,
        rank="",
        created_at="",
        crashes=2,
        calls_at_crash=4,
    )
    assert judge_lost(state, calls=5) is None
    lost = judge_lost(state, calls=4)
    assert lost
    assert lost.status == "failed"
    cancelled = judge_lost(state.model_copy(update={"cancel_requested": True}), calls=5)
    assert cancelled == CANCELLED


def test_a_heartbeat_keeps_the_task_and_tells_of_a_cancel(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    upkeep: Upkeep,
    clock: Clock,
) -> None:
    task_id = submit().task_id
    admit(services, system)
    attempt = claim_one(services, receive(services)[0])
    attempt.clock = clock
    clock.ahead = timedelta(seconds=100)
    assert attempt.beat(100_000) is False
    clock.ahead = timedelta(seconds=200)
    assert upkeep.settle_due(list_due(upkeep.table, upkeep.clock()))["reaped"] == 0
    state = stop(services, system, task_id)
    assert (state.status, state.cancel_requested) == ("running", True)
    assert attempt.beat(110_000) is True
    assert attempt.end(SUCCESS, 120_000)
    assert services.tasks.get_view(system.scope, task_id).status == "cancelled"
    assert count_running(services, system.scope) == 0


def stop(services: Services, system: System, task_id: str) -> TaskState:
    return stop_task(services.table, services.blobs, system.scope, task_id, read_clock)


def test_a_queued_or_dispatched_task_is_cancelled_at_once(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    run: Callable[..., None],
) -> None:
    tasks = [submit().task_id for _ in range(3)]
    admit(services, system)
    messages = receive(services)
    for task_id in tasks:
        assert stop(services, system, task_id).status == "cancelled"
    assert count_running(services, system.scope) == 0
    for message in messages:
        run(message, lambda on_event: pytest.fail("it runs"))
    assert read_buckets(services, system)["cancelled"] == 3
    with pytest.raises(Conflict, match="the task is cancelled"):
        stop(services, system, tasks[0])


def test_a_task_is_continued_with_its_slot(
    services: Services, system: System, submit: Callable[..., TaskState]
) -> None:
    task_id = submit().task_id
    admit(services, system)
    first = claim_one(services, receive(services)[0])
    assert first.hand_on(400)
    assert count_running(services, system.scope) == 1
    second = claim_one(services, receive(services)[0])
    assert (second.state.ran_ms, second.state.continuations) == (400, 1)
    assert not first.end(SUCCESS, 500)
    assert second.end(SUCCESS, 600)
    assert services.tasks.get_view(system.scope, task_id).duration_ms == 1000


def test_a_postponed_task_frees_its_slot_and_keeps_its_place(
    services: Services,
    system: System,
    submit: Callable[..., TaskState],
    clock: Clock,
) -> None:
    first = submit(priority="high").task_id
    admit(services, system)
    attempt = claim_one(services, receive(services)[0])
    attempt.clock = clock
    assert attempt.postpone(300, 70, 1)
    assert count_running(services, system.scope) == 0
    assert receive_wake(services) == WakeMessage(**system.scope._asdict(), crew_name="research")
    assert admit(services, system) == []
    others = [submit().task_id for _ in range(2)]
    clock.ahead = timedelta(seconds=71)
    admitted = admit_tasks(services.table, services.task_queue, system.scope, "research", clock)
    assert admitted[0] == first
    assert admitted[1] in others
    state = services.tasks.get_state(system.scope, first)
    assert (state.attempts, state.ran_ms, state.not_before) == (1, 300, None)


def receive_wake(services: Services) -> WakeMessage:
    """moto keeps a delayed message back: its body is in the backend."""
    (queue,) = [
        q for q in sqs_backends["123456789012"]["eu-west-1"].queues.values() if q.name == "tasks"
    ]
    return WakeMessage.model_validate_json(queue._messages[-1].body)


def test_a_postponed_task_can_be_cancelled(
    services: Services, system: System, submit: Callable[..., TaskState]
) -> None:
    task_id = submit().task_id
    admit(services, system)
    assert claim_one(services, receive(services)[0]).postpone(300, 70, 1)
    assert stop(services, system, task_id).status == "cancelled"
    assert list(services.table.query(system.scope.crew_key("research").pk, "LATER#")) == []
