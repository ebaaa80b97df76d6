"""Rules of a configuration, each with the path of what breaks it, and all of them at once."""

import json
from typing import Any

import pytest
from pydantic import HttpUrl, ValidationError

from quarterdeck.faults import read_faults
from quarterdeck.systems.configuration import Agent, Crew, Llm, SystemConfiguration
from quarterdeck.systems.configuration.memory import TITAN, TITAN_2
from quarterdeck.systems.health import list_secrets
from quarterdeck.systems.validation import find_foreign_urls
from tests.systems import agent, crew, system

type Fields = dict[str, Any]


def find_faults(configuration: Any) -> dict[str, str]:
    try:
        SystemConfiguration.model_validate(configuration)
    except ValidationError as error:
        located = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        return {fault.field: fault.rule for fault in read_faults(located).errors}
    return {}


def find_crew_faults(**fields: Any) -> dict[str, str]:
    faults = find_faults(system(crews=[crew(**fields)]))
    assert all(field.startswith("crews[0].") for field in faults)
    return {field.removeprefix("crews[0]."): rule for field, rule in faults.items()}


def step(name: str, role: str | None = "A", **fields: Any) -> Fields:
    return {"name": name, "agent": role, "description": "{description}", **fields}


def aside(name: str, role: str | None = "A", **fields: Any) -> Fields:
    return step(name, role, async_execution=True, **fields)


AGENTS = [agent("A"), agent("B")]
BOSS = agent("Boss")
HIERARCHICAL: Fields = {"process": "hierarchical", "agents": AGENTS}

FAULTY_CREWS: list[tuple[Fields, str, str]] = [
    ({"tasks": [step("s", None)]}, "tasks[0].agent", "is missing: the agent of step 's'"),
    ({"tasks": [step("s"), step("s")]}, "tasks[1].name", "the step 's' stands twice"),
    ({"tasks": [step("s", human_input="no")]}, "tasks[0].human_input", "Input should be a valid"),
    ({"input_timeout": 59}, "input_timeout", "Input should be greater than"),
    ({"input_timeout": 2_592_001}, "input_timeout", "Input should be less than"),
    # Memory
    ({"memory": {"embedder": "anthropic/x"}}, "memory.embedder.model", "'anthropic/x' is neither"),
    ({"memory": {"embedder": "bedrock/x"}}, "memory.embedder.model", "'bedrock/x' is none of"),
    ({"memory": {"embedder": "openai/x"}}, "memory.embedder", "openai models need 'secret'"),
    (
        {"memory": {"embedder": {"model": "rehearsal", "secret": "key"}}},
        "memory.embedder",
        "rehearsal takes no 'secret'",
    ),
    (
        {"memory": {"embedder": {"model": TITAN_2, "dimensions": 300}}},
        "memory.embedder.dimensions",
        "is 256, 512 or 1024 for Titan",
    ),
    (
        {"memory": {"embedder": {"model": f"{TITAN}v1", "dimensions": 512}}},
        "memory.embedder.dimensions",
        "is for bedrock/amazon.titan-embed-text-v2:0",
    ),
    ({"memory": {"llm": "openai/x"}}, "memory.llm", "openai models need 'secret'"),
    ({"memory": {"max_records": 0}}, "memory.max_records", "Input should be greater than"),
    # Context
    ({"tasks": [step("s", context=["t"])]}, "tasks[0].context[0]", "'t' is no step of the crew"),
    (
        {"tasks": [step("s", context=["t"]), step("t")]},
        "tasks[0].context[0]",
        "'t' is no earlier step: none before it",
    ),
    ({"tasks": [step("s", context=["s"])]}, "tasks[0].context[0]", "'s' is no earlier step"),
    (
        {"tasks": [step("s"), step("t", context=["s", "s"])]},
        "tasks[1].context[1]",
        "the step 's' stands twice",
    ),
    # Side by side
    (
        {"tasks": [aside("s"), aside("t", "B")]},
        "tasks[1].async_execution",
        "at most one step may run aside at the end",
    ),
    (
        {"tasks": [aside("s"), aside("t"), step("u")]},
        "tasks[1].async_execution",
        "'A' works on 's' at that time",
    ),
    (
        {"tasks": [aside("s"), aside("t", "B", context=["s"]), step("u")]},
        "tasks[1].context[0]",
        "'s' runs at the same time",
    ),
    (
        {
            "agents": [agent("A"), agent("B", allow_delegation=True)],
            "tasks": [aside("s"), aside("t", "B"), step("u")],
        },
        "tasks[1].async_execution",
        "'B' may delegate to agents who work at that time",
    ),
    (
        {**HIERARCHICAL, "tasks": [aside("s", None), aside("t", None), step("u", None)]},
        "tasks[1].async_execution",
        "the manager has 's' to hand out at that time",
    ),
    # Manager
    ({"manager_llm": "rehearsal"}, "manager_llm", "is for crews whose process is hierarchical"),
    ({"manager_agent": "A"}, "manager_agent", "is for crews whose process is hierarchical"),
    (
        {**HIERARCHICAL, "manager_agent": BOSS, "manager_llm": "rehearsal"},
        "manager_agent",
        "has a model of its own: give it or manager_llm",
    ),
    ({**HIERARCHICAL, "manager_agent": "C"}, "manager_agent", "'C' is no role of the crew"),
    ({**HIERARCHICAL, "manager_agent": 7}, "manager_agent", "must be a role of the crew, or an ag"),
    ({**HIERARCHICAL, "manager_agent": {**BOSS, "role": "A"}}, "manager_agent.role", "is the role"),
    ({**HIERARCHICAL, "manager_agent": {**BOSS, "goal": ""}}, "manager_agent.goal", "String"),
    (
        {**HIERARCHICAL, "manager_agent": {**BOSS, "llm": "x"}},
        "manager_agent.llm.model",
        "'x' is neither 'rehearsal'",
    ),
    (
        {"process": "hierarchical", "agents": [agent("A")], "manager_agent": "A"},
        "manager_agent",
        "is the only agent",
    ),
    (
        {**HIERARCHICAL, "manager_agent": "A", "tasks": [step("s")]},
        "tasks[0].agent",
        "is the manager",
    ),
    (
        {**HIERARCHICAL, "tasks": [step("s", None, guardrail="It is good.")]},
        "tasks[0].guardrail",
        "needs an agent, whose model judges by it",
    ),
    # Numbers
    ({"min_agents": 3, "max_agents": 2}, "max_agents", "min_agents (3) is over max_agents (2)"),
    ({"scale_down_threshold": 0.8}, "scale_down_threshold", "must be under scale_up_threshold"),
    ({"max_rpm": 0}, "max_rpm", "Input should be greater than or equal to 1"),
    # Agents
    ({"agents": [agent("A", max_iter=0)]}, "agents[0].max_iter", "Input should be greater"),
    (
        {"agents": [agent("A", date_format="%Q")]},
        "agents[0].date_format",
        "holds one or more of %Y %m",
    ),
    (
        {"agents": [agent("A", date_format="today %%Y")]},
        "agents[0].date_format",
        "holds one or more of %Y %m",
    ),
    (
        {"agents": [agent("A", system_template="{{ .System }}")]},
        "agents[0].system_template",
        "goes with system_template and prompt_template: give both",
    ),
    (
        {"agents": [agent("A", system_template="{{ .System }}", prompt_template="do")]},
        "agents[0].prompt_template",
        "lacks its {{ .Prompt }}",
    ),
    (
        {"agents": [agent("A", response_template="{{ .Response }}")]},
        "agents[0].response_template",
        "goes with system_template and prompt_template",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "rule"), FAULTY_CREWS)
def test_a_rule_that_is_broken_is_told_at_its_place(fields: Fields, field: str, rule: str) -> None:
    faults = find_crew_faults(**{"agents": AGENTS, **fields})
    assert faults[field].startswith(rule)
    assert len(faults) == 1


OPENAI = {"model": "openai/gpt", "secret": "openai"}
ANTHROPIC = {"model": "anthropic/claude", "secret": "anthropic"}
FAULTY_LLMS: list[tuple[Fields, str, str]] = [
    ({**ANTHROPIC, "seed": 0}, ".seed", "anthropic does not take it; of ollama, openai alone"),
    ({"model": "bedrock/x", "frequency_penalty": 0.0}, ".frequency_penalty", "bedrock does not"),
    ({"model": "ollama/x", "reasoning_effort": "low"}, ".reasoning_effort", "ollama does not take"),
    ({**ANTHROPIC, "temperature": 1.5}, ".temperature", "is at most 1 for anthropic"),
    ({**OPENAI, "temperature": 2.5}, ".temperature", "Input should be less than or equal to 2"),
    ({**OPENAI, "max_tokens": 1, "max_completion_tokens": 1}, ".max_completion_tokens", "says the"),
    ({**OPENAI, "stop": list("abcde")}, ".stop", "Tuple should have at most 4 items"),
    ({**OPENAI, "reasoning_effort": "deep"}, ".reasoning_effort", "Input should be 'none', 'min"),
    ({"model": "anthropic/claude"}, "", "anthropic models need 'secret'"),
    ({"model": "bedrock/x", "secret": "key"}, "", "bedrock takes no 'secret'"),
]


@pytest.mark.parametrize(("llm", "field", "rule"), FAULTY_LLMS)
def test_a_parameter_that_a_provider_refuses_is_refused(llm: Fields, field: str, rule: str) -> None:
    faults = find_crew_faults(agents=[agent("A", llm=llm)])
    assert faults[f"agents[0].llm{field}"].startswith(rule)
    assert len(faults) == 1


def test_the_stand_in_takes_every_parameter() -> None:
    assert Llm(model="rehearsal", temperature=1.9, seed=1, reasoning_effort="low", stop=("x",))


def test_faults_of_fields_hide_none_of_those_between_them() -> None:
    """Of several crews, with one that is right between them."""
    one = crew(
        "one",
        agents=[agent("A", goal="", llm={**ANTHROPIC, "seed": 1, "top_p": 3}), agent("A")],
        tasks=[step("s", "Nobody", colour="red"), step("s", None, context=["gone"])],
        manager_llm="gpt",
        min_agents=20,
    )
    other = crew("one", max_agents=0, process="hierarchical", manager_agent="Nobody")
    assert set(find_faults(system("Desk", crews=[one, crew("two"), other], retention_days=0))) == {
        "name",
        "retention_days",
        "crews[0].agents[0].goal",
        "crews[0].agents[0].llm.seed",
        "crews[0].agents[0].llm.top_p",
        "crews[0].agents[1].role",
        "crews[0].tasks[0].colour",
        "crews[0].tasks[0].agent",
        "crews[0].tasks[1].agent",
        "crews[0].tasks[1].name",
        "crews[0].tasks[1].context[0]",
        "crews[0].manager_llm.model",
        "crews[0].manager_llm",
        "crews[0].max_agents",
        "crews[2].name",
        "crews[2].max_agents",
        "crews[2].manager_agent",
    }


def test_what_cannot_be_read_is_not_taken_for_missing() -> None:
    """Who has role 7 may well be the agent that the step names."""
    faults = find_crew_faults(
        agents=[agent(7)],  # type: ignore[arg-type]
        tasks=[step("s", "A"), step("t", 8, context=["s", 9])],  # type: ignore[arg-type]
        min_agents="many",
    )
    assert set(faults) == {
        "agents[0].role",
        "tasks[1].agent",
        "tasks[1].context[1]",
        "min_agents",
    }


@pytest.mark.parametrize("given", [None, 7, "desk", [], [system()]])
def test_what_is_no_object_is_refused(given: Any) -> None:
    assert find_faults(given) == {"body": "must be an object"}


def test_side_by_side_and_in_turn() -> None:
    steps = [
        aside("a"), aside("b", "B"), step("c", context=["b", "a"]),
        aside("d"), step("e", context=[]), aside("f", "B", context=["d"]),
    ]  # fmt: skip
    assert find_crew_faults(agents=AGENTS, tasks=steps) == {}
    handed_out = [aside("a", None), step("b", None)]
    assert find_crew_faults(**HIERARCHICAL, tasks=handed_out) == {}


def test_a_manager_is_an_agent_of_the_crew_or_one_of_its_own() -> None:
    by_role = Crew.model_validate({**crew(**HIERARCHICAL), "manager_agent": " A "})
    assert by_role.manager is by_role.agents[0]
    assert by_role.workers == by_role.agents[1:]
    own = Crew.model_validate({**crew(**HIERARCHICAL), "manager_agent": {**BOSS, "goal": "{aim}"}})
    assert isinstance(own.manager, Agent)
    assert (own.manager.role, own.workers, own.placeholders) == ("Boss", own.agents, ["aim"])


def test_a_configuration_is_kept_as_it_was_given() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"], "default": None}}}
    steps = [step("s", guardrail="About {topic}.", output_schema=schema), step("t", context=["s"])]
    given = system(crews=[crew(agents=AGENTS, tasks=steps)])
    read = SystemConfiguration.model_validate(given)
    assert read.crews[0].tasks[0].output_schema == schema
    assert read.crews[0].placeholders == ["topic"]
    assert SystemConfiguration.model_validate_json(read.model_dump_json()) == read
    assert SystemConfiguration.model_validate(read.model_dump(mode="json")) == read
    assert SystemConfiguration.model_validate_json(json.dumps(given)) == read


@pytest.mark.parametrize(
    ("llm", "embedder"),
    [
        ("bedrock/amazon.nova-pro-v1:0", {"model": TITAN_2}),
        ({"model": "anthropic/claude", "secret": "key"}, {"model": TITAN_2}),
        (
            {"model": "openai/gpt", "secret": "key"},
            {"model": "openai/text-embedding-3-small", "secret": "key"},
        ),
        ({"model": "openai/gpt", "base_url": "http://127.0.0.1:1/v1"}, {"model": "rehearsal"}),
        ("ollama/llama", {"model": "rehearsal"}),
        ("rehearsal", {"model": "rehearsal"}),
    ],
)
def test_an_embedder_goes_with_the_model_of_the_first_agent_with_memory(
    llm: Any, embedder: Fields
) -> None:
    agents = [agent("A", memory_enabled=False), agent("B", memory_enabled=True, llm=llm)]
    read = Crew.model_validate(crew(agents=agents))
    assert [one.role for one in read.remembering] == ["B"]
    assert read.memory_llm == read.agents[1].llm
    assert read.embedder.model_dump(exclude_none=True) == embedder
    given = {"llm": "bedrock/amazon.nova-lite-v1:0", "embedder": "ollama/nomic"}
    other = Crew.model_validate(crew(agents=agents, memory=given))
    assert (other.memory_llm.model, other.embedder.model) == tuple(given.values())


def test_the_address_of_an_embedder_must_be_one_that_the_environment_allows() -> None:
    url = "https://models.example.com/v1"
    memory = {"embedder": {"model": "openai/x", "base_url": url}}
    configuration = SystemConfiguration.model_validate(system(crews=[crew(memory=memory)]))
    (fault,) = find_foreign_urls(configuration, ())
    assert fault.field == "crews[0].memory.embedder.base_url"
    assert list(find_foreign_urls(configuration, (HttpUrl(url),))) == []


def test_a_crews_secrets_are_those_of_memory_too() -> None:
    def name_secret(name: str) -> Fields:
        return {"model": "openai/x", "secret": name}

    memory = {"llm": name_secret("small"), "embedder": name_secret("vectors")}
    llm = name_secret("agent")
    for remembers, names in ((True, ["agent", "small", "vectors"]), (False, ["agent", "small"])):
        agents = [agent("A", llm=llm, memory_enabled=remembers)]
        read = Crew.model_validate(crew(agents=agents, memory=memory))
        assert list(list_secrets(read)) == names
