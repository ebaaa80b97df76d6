from typing import Any

import pytest
from crewai import Crew as CrewaiCrew
from crewai import Process

from quarterdeck.execution.crews import build_crew, check_crew
from quarterdeck.execution.errors import CrewRefused, InputMissing
from quarterdeck.execution.rehearsal import RehearsalLLM
from quarterdeck.systems.configuration import Crew
from quarterdeck.vault import SecretMissing
from tests.unit.execution.configurations import NO_SECRETS, make_crew, make_step

BRACES = '{"a": {b}} {unknown} {tools}'


def build(crew: Crew, description: str = "Why?", timeout: float = 60, **inputs: Any) -> CrewaiCrew:
    return build_crew(
        crew, description, inputs, NO_SECRETS.__getitem__, verbose=False, timeout=timeout
    )


def test_without_steps_each_agent_of_a_sequential_crew_gets_the_description() -> None:
    built = build(make_crew(["A", "B"]), BRACES)
    assert built.process is Process.sequential
    assert [task.description for task in built.tasks] == [BRACES, BRACES]
    assert [task.agent.role for task in built.tasks if task.agent] == ["A", "B"]
    assert [task.name for task in built.tasks] == ["step-1", "step-2"]


def test_without_steps_a_hierarchical_crew_gives_it_to_its_manager() -> None:
    built = build(make_crew(["A", "B"], process="hierarchical"), BRACES)
    assert [(task.description, task.agent) for task in built.tasks] == [(BRACES, None)]
    assert id(built.manager_llm) not in [id(agent.llm) for agent in built.agents]


def test_inputs_that_no_text_asks_for_follow_the_description() -> None:
    crew = make_crew(["Expert in {field}"])
    (task,) = build(crew, "Why?", field="tides", year=1890, deep=True).tasks
    assert task.description == "Why?\n\nInputs:\n- year: 1890\n- deep: true"


def test_steps_get_only_what_they_ask_for() -> None:
    step = make_step("look", "Expert in {field}", "Look at {year}: {description}")
    crew = make_crew(["Expert in {field}"], tasks=[step])
    (task,) = build(crew, BRACES, field="{year}", year=1890, other="x").tasks
    assert task.description == f"Look at 1890: {BRACES}"
    assert task.agent is not None
    assert task.agent.role == "Expert in {year}"


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InputMissing, match="'topic' is missing"):
        build(make_crew(["A"], tasks=[make_step("look", "A", "{topic}")]))


def test_a_step_of_a_hierarchical_crew_may_leave_the_agent_to_the_manager() -> None:
    steps = [make_step("one", None), make_step("two", "B")]
    built = build(make_crew(["A", "B"], process="hierarchical", tasks=steps))
    assert [task.agent and task.agent.role for task in built.tasks] == [None, "B"]


@pytest.mark.parametrize(("task_timeout", "request_timeout"), [(20, 20), (60, 40)])
def test_time_limits_reach_crewai(task_timeout: float, request_timeout: float) -> None:
    llm = {"model": "openai/gpt", "base_url": "http://127.0.0.1:1/v1"}
    agent = {"role": "A", "goal": "g", "backstory": "b", "llm": llm, "timeout": 40}
    built = build(Crew.model_validate({"name": "crew", "agents": [agent]}), timeout=task_timeout)
    fields: Any = built.agents[0]
    assert fields.max_execution_time == 40
    assert fields.llm.timeout == request_timeout


def test_nothing_of_crewai_is_on_that_was_not_asked_for() -> None:
    built = build(make_crew(["A"]))
    assert not any([built.memory, built.cache, built.planning, built.share_crew, built.tracing])
    assert all(agent.allow_delegation is False for agent in built.agents)


def test_a_check_asks_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RehearsalLLM, "call")
    crew = make_crew(["A {x}"], tasks=[make_step("look", "A {x}", "{topic} {description}")])
    check_crew(crew, NO_SECRETS.__getitem__)


def test_a_check_says_which_secret_is_missing() -> None:
    def refuse(name: str) -> str:
        raise SecretMissing(f"secret '{name}' cannot be read")

    crew = make_crew(["A"], llm={"model": "openai/gpt", "secret": "openai"})
    with pytest.raises(SecretMissing, match="openai"):
        check_crew(crew, refuse)


def test_a_check_says_why_crewai_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no agent may be called key-of-openai")

    monkeypatch.setattr("quarterdeck.execution.crews.crewai.Crew", refuse)
    crew = make_crew(["A"], llm={"model": "openai/gpt", "secret": "openai"})
    with pytest.raises(CrewRefused, match=r"crew 'crew': no agent may be called \[secret openai\]"):
        check_crew(crew, {"openai": "key-of-openai"}.__getitem__)
