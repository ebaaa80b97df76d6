"""Budgets of real crews: no call beyond them, however many would, and an alert that says so."""

import threading
from datetime import datetime
from typing import Any

import pytest

from quarterdeck.alerts.names import AlertName
from quarterdeck.alerts.store import AlertStore
from quarterdeck.execution.budget import RunBudget, estimate_call
from quarterdeck.execution.journaled_calls import Asked
from quarterdeck.execution.llms import build_llm
from quarterdeck.http.services import Services
from quarterdeck.keys import HOLD_PREFIX, Scope, budget_key
from quarterdeck.names import read_clock
from quarterdeck.systems.configuration import Llm
from quarterdeck.tasks.budgets import Amount, BudgetSpent, Hold, Limits, TaskBudget
from tests import systems
from tests.api_calls import call
from tests.monitor_site import take_turns
from tests.openai_server import COMPLETION_TOKENS, PROMPT_TOKENS, Body, Message, OpenAIServer
from tests.unit.execution.sites import STEPS, Site

A_CALL = PROMPT_TOKENS + COMPLETION_TOKENS
BUDGET = AlertName("research", "budget")


def answer(body: Body) -> Message:
    return {"role": "assistant", "content": "Thought: I know.\nFinal Answer: Done."}


def make_site(services: Services, url: str, budget: dict[str, Any], **crew: Any) -> Site:
    llm = {"model": "openai/gpt-4o", "base_url": url, "max_tokens": 100}
    roles = sorted({step["agent"] for step in crew.get("tasks", [])}) or ["A"]
    agents = [systems.agent(role, llm=llm, memory_enabled=False) for role in roles]
    crew = systems.crew(agents=agents, budget=budget, **crew)
    return Site(services, url, crew=crew, name=f"desk-{len(budget)}")


def estimate(body: Body) -> int:
    """What was committed for a request."""
    llm = build_llm(Llm(model="openai/gpt-4o", secret="openai", max_tokens=100), str, 60)
    return estimate_call(Asked(llm, (body["messages"],), {})).tokens


def test_a_task_beyond_its_budget_is_stopped_before_the_call(services: Services) -> None:
    steps = [{"name": s, "description": f"Do {s}: {{description}}", "agent": "A"} for s in STEPS]
    with OpenAIServer(answer) as server:
        site = make_site(services, server.url, {"tokens_per_task": 600}, tasks=steps)
        task_id = site.submit()
        site.work()
        view = site.view(task_id)
        asked = [estimate(body) for body in server.requests]
    assert (view.status, view.error and view.error.type) == ("failed", "budget_exceeded")
    assert view.error
    assert "may use 600 tokens a task" in view.error.message
    assert 0 < len(asked) < len(STEPS)
    before = [A_CALL * number for number in range(len(asked))]
    assert all(spent + held <= 600 for spent, held in zip(before, asked, strict=True))
    assert view.usage
    assert view.usage.total_tokens == A_CALL * len(asked)
    assert len(view.steps) == len(asked)


def test_of_ten_steps_side_by_side_as_many_ask_as_the_budget_allows(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_turns(services.table.client)
    refused = threading.Event()
    hold = TaskBudget.hold

    def hold_and_tell(budget: TaskBudget, asked: Amount, now: datetime) -> Hold:
        try:
            return hold(budget, asked, now)
        except BudgetSpent:
            refused.set()
            raise

    def answer_when_all_have_asked(body: Body) -> Message:
        refused.wait(60)
        return answer(body)

    monkeypatch.setattr(TaskBudget, "hold", hold_and_tell)
    steps = [
        {"name": f"s{n}", "description": "Do it.", "agent": f"A{n}", "async_execution": True}
        for n in range(10)
    ]
    steps.append({"name": "last", "description": "End.", "agent": "A10"})
    with OpenAIServer(answer) as server:
        site = make_site(services, server.url, {}, tasks=steps)
        site.submit()
        site.work()
        one = max(estimate(body) for body in server.requests[:10])
        server.requests.clear()
        server.answer = answer_when_all_have_asked
        site = make_site(services, server.url, {"tokens_per_task": 4 * one + one // 2}, tasks=steps)
        task_id = site.submit()
        site.work()
        assert len(server.requests) == 4
    view = site.view(task_id)
    assert (view.error and view.error.type) == "budget_exceeded"


def test_what_was_held_though_nobody_heard_so_is_settled_in_the_end(services: Services) -> None:
    class Deaf(TaskBudget):
        def hold(self, asked: Amount, now: datetime) -> Hold:
            super().hold(asked, now)
            raise ConnectionError("the answer was lost")

    scope = Scope("a" * 24, 1)
    budget = Deaf(services.table, scope, "research", "task", {"day": Limits(3000, None)})
    run = RunBudget(budget, read_clock, lambda: None)
    asked = Asked(build_llm(Llm(model="openai/gpt-4o", secret="openai"), str, 60), ("Hi",), {})
    with pytest.raises(ConnectionError), run.hold(asked):
        pytest.fail("a call was made")
    run.close()
    item = services.table.get(budget_key(scope.system_id, "research", read_clock().date())) or {}
    assert item["tokens"] == item["spent_tokens"] > 0
    assert not list(services.table.query(scope.state_key("task").pk, HOLD_PREFIX))


def test_a_days_budget_warns_stops_and_ends_with_the_day(services: Services) -> None:
    with OpenAIServer(answer) as server:
        site = make_site(services, server.url, {"tokens_per_day": 3000})
        alerts, scope = AlertStore(services.table), site.system.scope
        found: list[str] = []
        task_id = ""
        earlier = TaskBudget(
            services.table, scope, "research", "earlier", {"day": Limits(3000, None)}
        )
        earlier.settle(earlier.hold(Amount(2270, 0), read_clock()), Amount(2270, 0))
        while not found or site.view(task_id).status == "succeeded":
            task_id = site.submit()
            site.work()
            alert = alerts.find(scope, BUDGET)
            assert alert
            found.append(alert.state)
        alert = alerts.find(scope, BUDGET)
        assert alert
        assert list(dict.fromkeys(found)) == ["ok", "warning", "critical"]
        told = [change.state for change in alert.outbox]
        assert told == ["warning", "critical"]
        assert "a call was refused" in (alert.outbox[-1].detail or "")
    metrics = call("GET", f"/crews/{site.system.system_id}/metrics").json["crews"]["research"]
    assert metrics["budget"]["exceeded"]
    assert metrics["budget"]["tokens"]["limit"] == 3000
    item = services.table.get(budget_key(site.system.system_id, "research", read_clock().date()))
    assert item
    assert metrics["budget"]["tokens"]["spent"] == item["spent_tokens"]
    assert item["tokens"] == item["spent_tokens"] == 2270 + A_CALL * (len(found) - 1) <= 3000
