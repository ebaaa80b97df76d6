"""Every field of a configuration reaches crewai, and every field of crewai's is told of."""

import re
from typing import Any

import pytest
from crewai import LLM, Agent, Crew, Task
from crewai.llms.providers.anthropic.completion import AnthropicCompletion
from crewai.llms.providers.bedrock.completion import BedrockCompletion
from crewai.llms.providers.openai.completion import OpenAICompletion
from crewai.memory.unified_memory import Memory
from pydantic import BaseModel

from infra.crews.left_out import LEFT_OUT, RENAMED
from infra.crews.reference import DOCUMENT, MODELS, fill_tables
from quarterdeck.execution.crews import build_crew, make_paces
from quarterdeck.systems import configuration as ours
from tests.unit.execution.configurations import NO_SECRETS

type Fields = dict[str, Any]

KINDS: dict[str, tuple[type[BaseModel], tuple[type[BaseModel], ...]]] = {
    "Agent": (ours.Agent, (Agent,)),
    "Task": (ours.Step, (Task,)),
    "Crew": (ours.Crew, (Crew,)),
    "Memory": (ours.Memory, (Memory,)),
    "LLM": (ours.Llm, (LLM, OpenAICompletion, AnthropicCompletion, BedrockCompletion)),
}
TEMPLATES = {
    "system_template": "{{ .System }} s",
    "prompt_template": "{{ .Prompt }} p",
    "response_template": "r {{ .Response }} END",
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_of_crewai_is_ours_or_left_out_with_a_reason(kind: str) -> None:
    model, classes = KINDS[kind]
    theirs = {name for found in classes for name in found.model_fields}
    same = theirs & model.model_fields.keys()
    renamed = RENAMED[kind]
    assert renamed.keys() <= theirs
    assert set(renamed.values()) <= model.model_fields.keys()
    told = [same, renamed.keys(), LEFT_OUT[kind].keys()]
    assert theirs == set().union(*told), "crewai has changed: take the field, or say why not"
    assert len(theirs) == sum(map(len, told)), "a field is ours and left out"


def test_the_document_says_what_the_models_are() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert fill_tables(document) == document, "make crew-fields"
    tables = re.findall(r"<!-- (fields|left out): (\w+) -->", document)
    assert {name for kind, name in tables if kind == "fields"} == {m.__name__ for m in MODELS}
    assert {name for kind, name in tables if kind == "left out"} == set(LEFT_OUT)
    assert set(ours.Configuration.__subclasses__()) == set(MODELS)


def build(process: str = "sequential", **fields: Any) -> Crew:
    crew = ours.Crew.model_validate({"name": "crew", "process": process, **fields})
    inputs = dict.fromkeys(crew.placeholders, "{x}")
    return build_crew(crew, "Why?", inputs, NO_SECRETS.__getitem__, verbose=False, timeout=60)


def make_agent(role: str = "A", **fields: Any) -> Fields:
    return {"role": role, "goal": "g", "backstory": "b", "llm": "rehearsal", **fields}


def make_step(name: str, role: str | None = "A", **fields: Any) -> Fields:
    return {"name": name, "agent": role, "description": "d", **fields}


def test_fields_of_an_agent_reach_crewai() -> None:
    given: Fields = {
        "max_iter": 3, "max_retry_limit": 1, "allow_delegation": True, "use_system_prompt": False,
        "respect_context_window": False, "inject_date": True, "date_format": "%d.%m.%Y",
        **TEMPLATES,
    }  # fmt: skip
    (built,) = build(agents=[make_agent(timeout=7, **given)]).agents
    assert {name: getattr(built, name) for name in given} == given
    assert getattr(built, "max_execution_time", None) == 7
    elsewhere = {
        "role",
        "goal",
        "backstory",
        "llm",
        "tools",
        "timeout",
        "memory_enabled",
        "max_rpm",
    }
    assert given.keys() | elsewhere == ours.Agent.model_fields.keys()


def test_fields_of_an_agent_are_crewais_own_where_nothing_is_said() -> None:
    (built,) = build(agents=[make_agent()]).agents
    for name in ours.Agent.model_fields.keys() & Agent.model_fields.keys() - {"llm", "tools"}:
        if not Agent.model_fields[name].is_required():
            assert getattr(built, name) == Agent.model_fields[name].default


def test_fields_of_a_step_reach_crewai() -> None:
    given: Fields = {
        "async_execution": True, "markdown": True, "guardrail": "About {topic}.",
        "guardrail_max_retries": 1, "expected_output": "e {topic}", "human_input": True,
    }  # fmt: skip
    steps = [
        make_step("one", output_schema=SCHEMA), make_step("two", context=[]),
        make_step("three", context=["one"], **given),
    ]  # fmt: skip
    one, two, three = build(agents=[make_agent()], tasks=steps).tasks
    assert one.output_pydantic is not None
    assert [*one.output_pydantic.model_json_schema()["properties"]] == ["a"]
    assert (two.context, three.context) == ([], [one])
    filled = {**given, "guardrail": "About {x}.", "expected_output": "e {x}"}
    assert {name: getattr(three, name) for name in given} == filled
    elsewhere = {"name", "description", "agent", "context", "output_schema"}
    assert given.keys() | elsewhere == ours.Step.model_fields.keys()


def test_a_manager_is_built_of_its_role_or_definition() -> None:
    agents = [make_agent("A"), make_agent("B {x}"), make_agent("C")]
    by_role = build("hierarchical", agents=agents, manager_agent="B {x}")
    assert by_role.manager_agent is not None
    assert by_role.manager_agent.role == "B {x}"
    assert ([agent.role for agent in by_role.agents], by_role.manager_llm) == (["A", "C"], None)
    own = build("hierarchical", agents=agents[:1], manager_agent=make_agent("Boss", max_iter=2))
    assert own.manager_agent is not None
    assert (own.manager_agent.role, own.manager_agent.max_iter) == ("Boss", 2)
    assert [agent.role for agent in own.agents] == ["A"]


def test_a_pace_is_that_of_an_agents_own_model_and_of_the_crew() -> None:
    crew = ours.Crew.model_validate(
        {
            "name": "crew", "process": "hierarchical", "max_rpm": 9, "manager_agent": "B",
            "agents": [make_agent("A"), make_agent("B", max_rpm=1), make_agent("C", max_rpm=2)],
        }
    )  # fmt: skip
    built = build_crew(crew, "Why?", {}, NO_SECRETS.__getitem__, verbose=False, timeout=60)
    paces = make_paces(crew, built)
    members: list[Any] = [*built.agents, built.manager_agent]
    limits = [[pace._begun.maxlen for pace in paces.list_for(one.llm)] for one in members]
    assert limits == [[9], [2, 9], [1, 9]]


PARAMETERS = {"temperature": 0.5, "top_p": 0.5, "max_tokens": 9, "stop": ["END"]}
LIKE_OPENAI = {"frequency_penalty": 0.1, "presence_penalty": -0.1, "seed": 0}


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        ("openai", PARAMETERS | LIKE_OPENAI | {"reasoning_effort": "low"}),
        ("openai", {"max_completion_tokens": 9}),
        ("ollama", PARAMETERS | LIKE_OPENAI),
        ("anthropic", PARAMETERS),
        ("bedrock", PARAMETERS),
    ],
)
def test_parameters_of_a_model_reach_crewai(
    provider: str, given: Fields, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    address = {} if provider == "bedrock" else {"base_url": "http://127.0.0.1:1/v1"}
    llm = {"model": f"{provider}/any", "timeout": 5, **address, **given}
    (built,) = build(agents=[make_agent(llm=llm)]).agents
    assert {name: getattr(built.llm, name) for name in given} == given
    assert getattr(built.llm, "timeout", None) == 5
