"""What a version has to show: models that answer, and a task that succeeds."""

import time
from http import HTTPStatus
from typing import Any

import pytest

from quarterdeck.execution import health_checks
from quarterdeck.execution.health_checks import find_silent_models, find_smoke_fault, ping_form
from quarterdeck.systems.configuration import Llm, SystemConfiguration
from quarterdeck.vault import SecretMissing
from tests import systems
from tests.openai_server import Body, Message, OpenAIServer
from tests.unit.execution.journals import say

KEY = "sk-verysecret"


def make_system(*llms: Any, **rest: Any) -> SystemConfiguration:
    agents = [systems.agent(f"Agent {n}", llm=llm) for n, llm in enumerate(llms)]
    crew = systems.crew(agents=agents)
    return SystemConfiguration.model_validate(systems.system(crews=[crew], **rest))


def find_all(configuration: SystemConfiguration, left: float = 60) -> list[tuple[str, str]]:
    found = find_silent_models(configuration, lambda _: KEY, left)
    return [(fault.field, fault.rule) for fault in found]


def test_each_distinct_model_is_asked_once_for_little() -> None:
    with OpenAIServer(lambda _: say("pong")) as server:
        one = {"model": "openai/one", "base_url": server.url, "temperature": 0.5}
        configuration = make_system(
            one, one | {"temperature": 1}, one | {"model": "openai/two"}, "rehearsal"
        )
        assert find_all(configuration) == []
        assert sorted(body["model"] for body in server.requests) == ["one", "two"]
        for body in server.requests:
            assert body.get("max_tokens", body.get("max_completion_tokens")) == 16
    assert ping_form(Llm(model="anthropic/x", secret="a")).max_tokens == 1
    own = ping_form(Llm(model="openai/o4-mini", secret="a"))
    assert (own.max_tokens, own.max_completion_tokens) == (None, 16)


def test_a_model_that_does_not_answer_is_named_without_its_key() -> None:
    def refuse(body: Body) -> Message:
        raise OSError

    with OpenAIServer(refuse) as server:
        url = server.url
        configuration = make_system(
            "rehearsal", {"model": "openai/x", "base_url": url, "secret": "k"}
        )
    ((field, rule),) = find_all(configuration)
    assert field == "crews[0].agents[1].llm"
    assert rule.startswith("the model 'openai/x' does not answer: ConnectionError: ")
    assert KEY not in rule


def test_an_embedder_that_is_configured_must_answer() -> None:
    with OpenAIServer() as server:
        embedder = {"model": "openai/small", "base_url": server.url, "secret": "k"}
        crews = [systems.crew(name, memory={"embedder": embedder}) for name in ("one", "two")]
        configuration = SystemConfiguration.model_validate(systems.system(crews=crews))
        assert find_all(configuration) == []
        assert len(server.embedded) == 1, "the same for both"
        server.refuse_embedding = HTTPStatus.NOT_FOUND
        ((field, rule),) = find_all(configuration)
    assert field == "crews[0].memory.embedder"
    assert rule.startswith("the model 'openai/small' does not answer: NotFoundError: ")


def test_a_secret_that_is_missing_is_the_reason() -> None:
    configuration = make_system({"model": "openai/x", "secret": "openai"})

    def read(name: str) -> str:
        raise SecretMissing(f"secret '{name}' cannot be read: ResourceNotFoundException")

    (fault,) = find_silent_models(configuration, read, 60)
    assert fault.rule == (
        "the model 'openai/x' does not answer: SecretMissing: "
        "secret 'openai' cannot be read: ResourceNotFoundException"
    )


def test_models_are_asked_side_by_side_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_checks, "MODEL_SECONDS", 0.5)

    def hang(body: Body) -> Message:
        time.sleep(2)
        return say("late")

    with OpenAIServer(hang) as server:
        llms = [{"model": f"openai/m{n}", "base_url": server.url} for n in range(10)]
        started = time.monotonic()
        found = find_all(make_system(*llms))
        assert time.monotonic() - started < 8
    assert [field for field, _ in found] == [f"crews[0].agents[{n}].llm" for n in range(10)]


def test_without_time_the_rest_counts_as_silent() -> None:
    with OpenAIServer(lambda _: say("pong")) as server:
        found = find_all(make_system({"model": "openai/x", "base_url": server.url}), left=-1)
    assert found == [
        ("crews[0].agents[0].llm", "the model did not answer in the time that the checks had")
    ]


def run_smoke(smoke: dict[str, Any], *llms: Any) -> tuple[str, str] | None:
    task = {"crew_name": "research", "description": "Why is the sea salt?"} | smoke
    configuration = make_system(*llms, health_checks={"smoke_task": task})
    asked = configuration.health_checks.smoke_task
    assert asked
    fault = find_smoke_fault(asked, configuration, lambda _: KEY, lambda _: {}, 60)
    return fault and (fault.field, fault.rule)


def test_a_smoke_task_by_the_stand_in_asks_no_model() -> None:
    refused = {"model": "openai/x", "base_url": "http://127.0.0.1:1/v1"}
    assert run_smoke({}, refused) is None


def test_a_smoke_task_expects_texts_of_the_answer() -> None:
    with OpenAIServer(lambda _: say("Final Answer: Rivers carry SALT.")) as server:
        real = {"model": "openai/x", "base_url": server.url}
        assert run_smoke({"rehearsal": False, "expect": ["salt", "rivers"]}, real) is None
        fault = run_smoke({"rehearsal": False, "expect": ["salt", "sugar"]}, real)
    assert fault
    assert fault[0] == "health_checks.smoke_task.expect"
    assert fault[1].startswith("the answer does not contain 'sugar': ")


def test_a_smoke_task_that_fails_says_how() -> None:
    refused = {"model": "openai/x", "base_url": "http://127.0.0.1:1/v1"}
    assert run_smoke({"rehearsal": False, "timeout": 1}, refused) == (
        "health_checks.smoke_task",
        "a model's provider is out of reach, or refuses calls for now",
    )


def test_a_smoke_task_has_its_own_time_for_all_of_its_calls() -> None:
    def dawdle(body: Body) -> Message:
        time.sleep(0.7)
        return say("Final Answer: Well.")

    with OpenAIServer(dawdle) as server:
        real = {"model": "openai/x", "base_url": server.url}
        fault = run_smoke({"rehearsal": False, "timeout": 1}, *[real] * 4)
    assert fault == (
        "health_checks.smoke_task",
        "did not end within its 1 s, or the time that the checks had",
    )
