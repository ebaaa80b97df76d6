"""Tasks that wait for people: each answer is given once, and no call is made twice."""

import math
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from quarterdeck.http.services import Services
from quarterdeck.keys import CALL_PREFIX, LEASE_KEYS, Key
from quarterdeck.names import parse_time, read_clock
from quarterdeck.retention import Retention
from quarterdeck.systems.configuration import Budget
from quarterdeck.table import Delete
from quarterdeck.tasks.answers import Answer as GivenAnswer
from quarterdeck.tasks.attempt import claim
from quarterdeck.tasks.budgets import Amount, TaskBudget, list_holds, read_limits
from quarterdeck.tasks.ending import stop_task
from quarterdeck.tasks.questions import LONGEST_WAIT, Asked, Progress, find_expiry
from quarterdeck.tasks.submission import retry_task
from tests import systems
from tests.api_calls import call
from tests.openai_server import OpenAIServer, answer_by_rule
from tests.unit.execution.people import (
    People,
    answer,
    make_crew,
    make_steps,
    read_crew,
    run_monitor,
)
from tests.unit.execution.sites import Site

APPROVE = {"approve": True}


def ask(site: Site) -> People:
    """People of a task that has just asked."""
    people = People(site, site.submit())
    site.work()
    return people


def test_an_approved_answer_is_taken_and_nothing_is_asked_of_a_model_again(
    services: Services,
) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        task = people.look()
        assert task["status"] == "waiting"
        question = task["question"]
        assert (question["number"], question["kind"]) == (1, "review")
        assert (question["step"], question["agent"]) == ("write", "A")
        assert question["answer_so_far"] == "write"
        assert "'write'" in question["text"]
        assert "Do write." in question["text"]
        assert read_crew(site) == {"running": 0, "waiting": 1}
        assert len(server.requests) == 1
        task = people.work(APPROVE)
    assert (task["status"], task["result"]["output"]) == ("succeeded", "check")
    assert [step["output"] for step in task["steps"]] == ["write", "check"]
    assert "question" not in task
    assert len(server.requests) == 2
    assert task["usage"]["requests"] == 2
    assert read_crew(site) == {"running": 0, "waiting": 0}


def test_feedback_is_worked_in_until_an_answer_is_approved(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        task = people.work({"feedback": "be more brief"})
        assert (task["question"]["number"], len(server.requests)) == (2, 2)
        assert task["question"]["answer_so_far"] == "write brief"
        task = people.work({"feedback": "be more kind"})
        assert (task["question"]["number"], len(server.requests)) == (3, 3)
        assert task["question"]["answer_so_far"] == "write brief+kind"
        task = people.work(APPROVE)
    assert task["status"] == "succeeded"
    assert task["steps"][0]["output"] == "write brief+kind"
    assert len(server.requests) == 4


def test_the_same_answer_again_changes_nothing_and_another_is_refused(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        feedback = {"feedback": " be more brief "}
        assert people.answer(feedback).status == 202
        again = people.answer({"feedback": "be more brief", "question": 1})
        assert (again.status, again.json["status"]) == (200, "dispatched")
        other = people.answer(APPROVE)
        assert other.status == 409
        assert "question 1 was answered otherwise" in other.json["detail"]
        site.work()
        # It waits for another answer now: what names the first one does not answer the second.
        assert people.answer(feedback | {"question": 1}).status == 200
        assert people.answer(APPROVE | {"question": 1}).status == 409
        assert people.answer(APPROVE | {"question": 3}).status == 409
        assert people.look()["question"]["number"] == 2
        assert len(server.requests) == 2


def test_a_request_with_a_key_answers_one_question_and_no_later_one(services: Services) -> None:
    key = {"headers": {"idempotency-key": "k"}}
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        assert people.answer({"feedback": "be more brief"}, **key).status == 202
        site.work()
        again = people.answer({"feedback": "be more brief"}, **key)
    assert (again.status, again.json["status"]) == (202, "waiting")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert people.answer(APPROVE, **key).status == 422


def test_a_request_with_a_key_that_changed_nothing_answers_no_later_question_either(
    services: Services,
) -> None:
    feedback = {"feedback": "be more brief"}
    key = {"headers": {"idempotency-key": "k"}}
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        assert people.answer(feedback).status == 202
        assert people.answer(feedback, **key).status == 200
        site.work()
        again = people.answer(feedback, **key)
    assert (again.status, again.json["status"]) == (200, "waiting")
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({}, "give approve: true, or feedback"),
        ({"approve": True, "feedback": "x"}, "exclude one another"),
        ({"approve": False}, "or cancel it"),
        ({"approve": "yes"}, "valid boolean"),
        ({"feedback": " "}, "at least 1 character"),
        ({"feedback": "x" * 20_001}, "at most 20000 characters"),
        ({"approve": True, "question": 0}, "greater than or equal to 1"),
        ({"answer": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_an_answer_that_says_nothing_or_two_things_is_refused(said: Any, rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        GivenAnswer.model_validate(said)


def test_feedback_stands_for_a_refusal() -> None:
    assert GivenAnswer(approve=False, feedback=" x ").said == {"feedback": "x"}
    assert GivenAnswer(approve=True).said == {"approve": True}


def test_a_task_that_asks_nothing_cannot_be_answered(services: Services) -> None:
    site = Site(services, "http://127.0.0.1:9/v1")
    people = People(site, site.submit())
    faulty = people.answer({"feedback": 5, "more": 1})
    assert (faulty.status, set(faulty.faults)) == (422, {"feedback", "more"})
    refused = people.answer(APPROVE)
    assert (refused.status, refused.json["detail"]) == (
        409,
        "the task is dispatched: it has asked nothing",
    )
    assert People(site, "unknown").answer(APPROVE).status == 404


def test_a_question_that_nobody_answers_ends_the_task_with_what_it_had_done(
    services: Services,
) -> None:
    with OpenAIServer(answer) as server:
        crew = make_crew(server.url, tasks=make_steps()[::-1], input_timeout=60)
        site = Site(services, server.url, crew=crew)
        people = ask(site)
        assert run_monitor(services, timedelta(seconds=55))["expired"] == 0
        assert run_monitor(services, timedelta(seconds=65))["expired"] == 1
        task = people.look()
        assert (task["status"], task["error"]["type"]) == ("failed", "input_expired")
        assert "nobody answered question 1" in task["error"]["message"]
        assert [step["output"] for step in task["steps"]] == ["check"]
        assert task["usage"]["requests"] == 2
        assert read_crew(site) == {"running": 0, "waiting": 0}
        late = people.answer(APPROVE)
        assert (late.status, late.json["detail"]) == (
            409,
            "question 1 is closed unanswered: the task is failed",
        )
        # A retry asks the same question, and no model again.
        new = retry_task(services.table, services.blobs, site.system, people.task_id, read_clock())
        site.admit()
        site.work()
        again = People(site, new.task_id)
        assert again.look()["question"]["answer_so_far"] == "write"
        assert len(server.requests) == 2
        assert again.work(APPROVE)["status"] == "succeeded"
        assert len(server.requests) == 2


def test_what_a_call_that_never_came_back_held_is_settled_when_nobody_answers(
    services: Services,
) -> None:
    with OpenAIServer(answer) as server:
        crew = make_crew(server.url, budget={"tokens_per_day": 10**6}, input_timeout=60)
        site = Site(services, server.url, crew=crew)
        people = ask(site)
    scope, limits = site.system.scope, read_limits(Budget(tokens_per_day=10**6))
    budget = TaskBudget(services.table, scope, "research", people.task_id, limits)
    budget.hold(Amount(100, 0), read_clock())
    assert run_monitor(services, timedelta(seconds=65))["expired"] == 1
    assert list(list_holds(services.table, scope, people.task_id)) == []


def test_a_rehearsal_that_is_cancelled_as_it_asks_says_so(services: Services) -> None:
    site = Site(services, "", crew=systems.crew())
    task_id = site.submit()
    message = site.take()
    assert message
    table, blobs, scope = services.table, services.blobs, site.system.scope
    attempt = claim(table, blobs, services.task_queue, message, read_clock)
    assert attempt
    stop_task(table, blobs, scope, task_id, read_clock)
    asked = Asked(kind="review", step="s", agent="A", text="Good?", place=("digest", 0))
    assert attempt.wait(1, asked, Progress(rehearsal=True))
    task = People(site, task_id).look()
    assert (task["status"], task["rehearsal"]) == ("cancelled", True)


def test_a_waiting_task_can_be_cancelled(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        cancelled = call("POST", f"{people.path}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert cancelled.json["usage"]["requests"] == 1
    assert people.answer(APPROVE).status == 409
    assert read_crew(site) == {"running": 0, "waiting": 0}


def test_the_time_of_people_is_not_the_tasks(services: Services) -> None:
    """A question stays open for its crew's time, a task's calls stay for longer than that."""
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url, input_timeout=86_400))
        people = ask(site)
        question = people.look()["question"]
        expires = parse_time(question["expires_at"])
        assert expires - parse_time(question["asked_at"]) == timedelta(days=1)
        scope = site.system.scope
        partition = scope.state_key(people.task_id).pk
        for item in services.table.query(partition, CALL_PREFIX):
            assert item["expires_at"] >= (expires + timedelta(days=14)).timestamp() - 1
        before = services.table.get(scope.state_key(people.task_id)) or {}
        assert set(LEASE_KEYS) <= before.keys()
        assert people.answer(APPROVE).status == 202
        state = services.table.get(scope.state_key(people.task_id)) or {}
        assert state["rank"] == before["rank"]
        assert state["waited_ms"] >= 0
        assert "waiting_since" not in state


def test_no_number_of_the_log_is_given_again_after_a_long_wait(services: Services) -> None:
    """The table has removed by then what it may: also what is kept for less time than a wait."""
    services.table.retention = Retention(events_days=7, journals_days=7)
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
        last = parse_time(people.look()["question"]["expires_at"]) - timedelta(seconds=1)
        before = call("GET", f"{people.path}/events").json["events"]
        for item in services.table.query(site.system.scope.state_key(people.task_id).pk, ""):
            if item.get("expires_at", math.inf) <= last.timestamp():
                services.table.write(Delete(Key(item["pk"], item["sk"])))
        assert people.work(APPROVE)["status"] == "succeeded"
    events = call("GET", f"{people.path}/events").json["events"]
    assert events[: len(before)] == before
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    started = [event["step"] for event in events if event["type"] == "step_started"]
    assert started == ["write", "check"]


def test_a_question_expires_a_month_after_the_submit_at_the_latest() -> None:
    noon, day = parse_time("2026-11-23T12:00:00Z"), timedelta(days=1)
    assert find_expiry(noon, 3600, noon + day) == noon + day + timedelta(hours=1)
    assert find_expiry(noon, LONGEST_WAIT, noon + day) == noon + 30 * day
    assert find_expiry(noon, 3600, noon + 31 * day) == noon + 31 * day + timedelta(minutes=1)


def test_steps_side_by_side_ask_one_after_the_other(services: Services) -> None:
    aside = {"async_execution": True, "human_input": True, "context": []}
    steps = [
        {"name": "write", "agent": "A", "description": "Do write."} | aside,
        {"name": "check", "agent": "B", "description": "Do check."} | aside,
        {"name": "last", "agent": "A", "description": "Do last.", "context": []},
    ]
    with OpenAIServer(answer) as server:
        site = Site(services, server.url, crew=make_crew(server.url, tasks=steps))
        people = ask(site)
        first = people.look()["question"]["step"]
        second = people.work(APPROVE)["question"]["step"]
        task = people.work(APPROVE)
    assert {first, second} == {"write", "check"}
    assert task["status"] == "succeeded"
    assert len(server.requests) == 3


def test_a_managers_answer_is_reviewed(services: Services) -> None:
    with OpenAIServer(answer_by_rule) as server:
        steps = [
            {"name": "write", "description": "Do write.", "human_input": True},
        ]
        site = Site(
            services,
            server.url,
            crew=make_crew(server.url, process="hierarchical", tasks=steps),
        )
        people = ask(site)
        task = people.look()
        assert task["question"]["step"] == "write"
        asked = len(server.requests)
        task = people.work(APPROVE)
    assert task["status"] == "succeeded"
    assert len(server.requests) == asked


def test_a_rehearsal_asks_and_takes_feedback(services: Services) -> None:
    crew = systems.crew(
        agents=[systems.agent("A"), systems.agent("B")], tasks=make_steps(), input_timeout=60
    )
    site = Site(services, "", crew=crew)
    people = ask(site)
    assert people.look()["question"]["answer_so_far"]
    assert people.work({"feedback": "be more brief"})["question"]["number"] == 2
    task = people.work(APPROVE)
    assert (task["status"], task["rehearsal"]) == ("succeeded", True)


def test_what_a_model_says_is_no_answer(services: Services) -> None:
    """However an answer looks: only the API writes what a person has said."""
    with OpenAIServer(lambda _: {"role": "assistant", "content": '{"approve": true}'}) as server:
        site = Site(services, server.url, crew=make_crew(server.url))
        people = ask(site)
    assert people.look()["status"] == "waiting"
