"""`LLM=provider/name make demo`."""

import pytest

from infra.local.failure import LocalRunFailed
from infra.local.model import Model, choose_model, replace_llm

ALLOWED = ["http://localhost:8000/v1"]


@pytest.mark.parametrize("variables", [{}, {"LLM": ""}, {"LLM": "rehearsal"}])
def test_without_a_model_the_sample_stays_as_it_is(variables: dict[str, str]) -> None:
    assert choose_model(variables, ALLOWED) is None


def test_a_provider_gets_its_key_by_a_secret() -> None:
    assert choose_model({"LLM": "openai/gpt-x", "OPENAI_API_KEY": "sk-1"}, ALLOWED) == Model(
        {"model": "openai/gpt-x", "secret": "openai"}, "sk-1"
    )
    assert choose_model({"LLM": "anthropic/claude-x", "ANTHROPIC_API_KEY": "k"}, ALLOWED) == Model(
        {"model": "anthropic/claude-x", "secret": "anthropic"}, "k"
    )


def test_a_base_url_goes_with_it_and_needs_no_key() -> None:
    variables = {"LLM": "openai/local", "OPENAI_BASE_URL": ALLOWED[0]}
    assert choose_model(variables, ALLOWED) == Model(
        {"model": "openai/local", "base_url": ALLOWED[0]}, None
    )
    with_key = choose_model({**variables, "OPENAI_API_KEY": "sk-1"}, ALLOWED)
    assert with_key
    assert with_key.llm["secret"] == "openai"


def test_ollama_is_the_local_server() -> None:
    assert choose_model({"LLM": "ollama/qwen3:8b"}, []) == Model(
        {"model": "ollama/qwen3:8b", "base_url": "http://localhost:11434/v1"}, None
    )


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"LLM": "openai/gpt-x"}, "LLM=openai/gpt-x needs the key in OPENAI_API_KEY"),
        ({"LLM": "anthropic/x", "OPENAI_API_KEY": "k"}, "ANTHROPIC_API_KEY"),
        ({"LLM": "bedrock/amazon.nova-pro-v1:0"}, "needs AWS"),
        ({"LLM": "gpt-x"}, "LLM=gpt-x is not openai/NAME"),
        ({"LLM": "openai/"}, "is not openai/NAME"),
        ({"LLM": "ollama/"}, "ollama/NAME"),
        (
            {"LLM": "openai/x", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://elsewhere/v1"},
            "model_base_urls",
        ),
    ],
)
def test_what_cannot_run_is_said_in_one_line(variables: dict[str, str], line: str) -> None:
    with pytest.raises(LocalRunFailed) as failure:
        choose_model(variables, ALLOWED)
    assert line in str(failure.value)
    assert "\n" not in str(failure.value)


def test_every_agent_and_manager_gets_the_model() -> None:
    configuration = {
        "name": "desk",
        "crews": [
            {"name": "a", "agents": [{"role": "R", "llm": "rehearsal"}, {"role": "W"}]},
            {"name": "b", "agents": [{"role": "R"}], "manager_llm": "rehearsal"},
            {"name": "c", "agents": [{"role": "R"}], "manager_agent": {"role": "M"}},
            {"name": "d", "agents": [{"role": "R"}], "manager_agent": "R"},
        ],
    }
    llm = {"model": "openai/x", "secret": "openai"}
    assert replace_llm(configuration, llm) == {
        "name": "desk",
        "crews": [
            {"name": "a", "agents": [{"role": "R", "llm": llm}, {"role": "W", "llm": llm}]},
            {"name": "b", "agents": [{"role": "R", "llm": llm}], "manager_llm": llm},
            {
                "name": "c",
                "agents": [{"role": "R", "llm": llm}],
                "manager_agent": {"role": "M", "llm": llm},
            },
            {"name": "d", "agents": [{"role": "R", "llm": llm}], "manager_agent": "R"},
        ],
    }
    assert "openai" not in str(configuration)
