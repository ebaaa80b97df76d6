"""The main job over HTTP on the deployed template: IAM enforced, real layers, real queues."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from infra.local.api import Answer, Api
from infra.local.sample import load_configuration, make_task
from quarterdeck.names import parse_time
from quarterdeck.tasks.states import rank_task
from tests import systems
from tests.emulated.main_job import Provider, deploy, poll, read_running, submit, wait


def test_the_sample_system_runs_its_task(api: Api) -> None:
    configuration = load_configuration()
    system_id = deploy(api, configuration)
    system = api.get(f"/crews/{system_id}").json
    assert (system["state"], system["current_version"]) == ("active", 1)
    request = make_task(configuration)
    task = wait(api, system_id, submit(api, system_id, **request))
    assert task["status"] == "succeeded"
    assert task["rehearsal"] is True
    document = " ".join(request["inputs"]["document"].split())
    sentences = " ".join(task["result"]["output"].split()).split(". ")
    found = [sentence for sentence in sentences if len(sentence) > 40 and sentence in document]
    assert len(found) >= 3
    steps = next(c for c in configuration["crews"] if c["name"] == request["crew_name"])["tasks"]
    assert [step["name"] for step in task["steps"]] == [step["name"] for step in steps]
    for kind in ("prompt_tokens", "completion_tokens", "requests"):
        assert task["usage"][kind] == sum(step["usage"][kind] for step in task["steps"]) > 0


def test_a_crew_that_manages_delegates(api: Api) -> None:
    crew = systems.crew(
        process="hierarchical", agents=[systems.agent("Keeper"), systems.agent("Pilot")]
    )
    system_id = deploy(api, systems.system("managed", crews=[crew]))
    text = "What guides ships? A lighthouse guides ships at night."
    task = wait(api, system_id, submit(api, system_id, description=text))
    assert task["status"] == "succeeded"
    assert "lighthouse" in task["result"]["output"]


def test_a_crew_knows_learns_and_is_made_to_forget(api: Api) -> None:
    fact = "High water at the mole of Eastport is at noon"
    crew = systems.crew(
        agents=[systems.agent(memory_enabled=True)], knowledge=[{"name": "tides", "text": fact}]
    )
    system_id = deploy(api, systems.system("knowing", crews=[crew]))
    question = "When is high water at Eastport's mole?"
    task = wait(api, system_id, submit(api, system_id, description=question))
    assert fact in task["result"]["output"]
    path = f"/crews/{system_id}/memories?crew=research"
    learned = api.get(f"{path}&query=eastport%20NOON").json["memories"]
    assert any(fact in memory["content"] for memory in learned)
    first = learned[0]["memory_id"]
    erased = api.send("DELETE", f"{path}&memory_id={first}", None)
    assert (erased.status, erased.json) == (200, {"erased": 1, "left": 0})
    (left,) = api.get(f"/crews/{system_id}/health").json["memories"].values()
    assert api.send("DELETE", f"{path}&scope=/", None).json == {"erased": left, "left": 0}
    assert api.get(f"/crews/{system_id}/health").json["memories"] == {"research": 0}


def test_prefer_wait_answers_with_the_result(api: Api) -> None:
    system_id = deploy(api, systems.system("waited"))
    request = {"description": "Ships follow a light.", "crew_name": "research"}
    answer = api.post(f"/crews/{system_id}/tasks", request, {"Prefer": "wait=10"})
    if answer.status == 202:
        wait(api, system_id, answer.json["task_id"])
        answer = api.post(f"/crews/{system_id}/tasks", request, {"Prefer": "wait=10"})
    assert (answer.status, answer.json["status"]) == (200, "success")
    assert "light" in answer.json["result"]["output"]


def test_a_deployment_that_fails_says_why_and_frees_the_name(api: Api) -> None:
    llm = {"model": "openai/gpt-4o", "secret": "nowhere"}
    faulty = systems.system("faulty", crews=[systems.crew(agents=[systems.agent(llm=llm)])])
    system = api.get(f"/crews/{deploy(api, faulty)}").json
    assert (system["state"], system["deployment"]["status"]) == ("failed", "failed")
    (reason,) = system["deployment"]["reasons"]
    assert reason["field"] == "crews[0]"
    assert "quarterdeck/development/nowhere" in reason["rule"]
    assert api.get(f"/crews/{deploy(api, systems.system('faulty'))}").json["state"] == "active"


def test_keys_are_asked_for(api: Api) -> None:
    nobody = dataclasses.replace(api, key=None)
    stranger = dataclasses.replace(api, key="wrong")
    assert nobody.get("/crews").status == 401
    assert stranger.get("/crews").status == 403
    assert nobody.post("/crews", systems.system("x")).status == 401
    assert nobody.get("/nowhere").status == 401


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/docs"])
def test_what_is_public_needs_no_key(api: Api, path: str) -> None:
    assert dataclasses.replace(api, key=None).get(path).status == 200


def test_what_is_not_there_is_a_problem(api: Api) -> None:
    for answer, status in (
        (api.get("/nowhere"), 404),
        (api.get("/crews/0123"), 404),
        (api.send("PATCH", "/crews", {}), 405),
        (api.post("/crews", b"{"), 422),
        (api.post("/crews", b" " * (1024 * 1024 + 1)), 413),
    ):
        assert answer.status == status, answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == status


def test_capacity_and_priority_are_respected(api: Api, provider: tuple[Provider, str]) -> None:
    model, url = provider
    llm = {"model": "openai/local", "base_url": url}
    crew = systems.crew(agents=[systems.agent(llm=llm)], min_agents=2, max_agents=2)
    system_id = deploy(api, systems.system("busy", crews=[crew]))
    blockers = [submit(api, system_id, description="BLOCK") for _ in range(2)]
    poll(lambda: str(model.at_once), {"2"})
    priorities = ["low", "medium", "high", "medium", "high"] * 4
    tasks = [submit(api, system_id, description="Go", priority=p) for p in priorities]
    assert read_running(api, system_id) == 2
    listed = api.get(f"/crews/{system_id}/tasks?limit=200").json["tasks"]
    assert {task["status"] for task in listed if task["task_id"] in tasks} == {"queued"}
    model.released.set()
    ended = [wait(api, system_id, task_id) for task_id in [*blockers, *tasks]]
    assert {task["status"] for task in ended} == {"succeeded"}
    in_order = sorted(ended[2:], key=lambda task: (rank(task), task["task_id"]))
    dispatched = [task["dispatched_at"] for task in in_order]
    assert dispatched == sorted(dispatched)
    assert model.most_at_once == 2
    assert read_running(api, system_id) == 0
    check_metrics(api, system_id, len(ended))


def check_metrics(api: Api, system_id: str, tasks: int) -> None:
    """All that were submitted have succeeded; each is counted, once."""
    answer = api.get(f"/crews/{system_id}/metrics?window=1h").json
    rate = answer["metrics"][f"{system_id}_research_completion_rate"]
    assert (rate["current"], rate["state"], rate["samples"]) == (1.0, "ok", tasks)
    details = answer["crews"]["research"]
    assert (details["arrivals"], details["llm_calls"]) == (tasks, tasks)
    assert details["model_time"]["samples"] == tasks
    assert 0 < details["running_time"]["p50"] <= details["response_time"]["p99"]
    history = api.get(f"/crews/{system_id}/metrics/history?window=1h&step=5m").json
    assert sum(history["series"][f"{system_id}_research_ended"]) == tasks


def rank(task: dict[str, Any]) -> str:
    return rank_task(parse_time(task["created_at"]), task["priority"])


def test_many_submits_at_once_are_all_done_once(api: Api) -> None:
    system_id = deploy(
        api, systems.system("crowd", crews=[systems.crew(max_agents=4, min_agents=4)])
    )
    answers: list[Answer] = []

    def send() -> None:
        for _ in range(10):
            request = {"description": "Ships follow a light.", "crew_name": "research"}
            answers.append(api.post(f"/crews/{system_id}/tasks", request))

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert {answer.status for answer in answers} == {202}
    tasks = {answer.json["task_id"] for answer in answers}
    assert len(tasks) == 40
    ended = [wait(api, system_id, task_id) for task_id in tasks]
    assert {task["status"] for task in ended} == {"succeeded"}
    assert read_running(api, system_id) == 0


def test_of_the_same_request_sent_at_once_one_is_done(api: Api) -> None:
    system_id = deploy(api, systems.system("at-once"))
    request = {"description": "Ships follow a light.", "crew_name": "research"}
    headers = {"Idempotency-Key": "at-once"}
    with ThreadPoolExecutor(10) as pool:
        send = partial(api.post, f"/crews/{system_id}/tasks", request, headers)
        answers = [sent.result() for sent in [pool.submit(send) for _ in range(50)]]
    assert {answer.status for answer in answers} == {202}
    (task_id,) = {answer.json["task_id"] for answer in answers}
    assert [t["task_id"] for t in api.get(f"/crews/{system_id}/tasks").json["tasks"]] == [task_id]
    assert wait(api, system_id, task_id)["status"] == "succeeded"
