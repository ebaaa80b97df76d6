import os
from typing import Any

import pytest

from quarterdeck.execution.llms import OLLAMA_URL, build_llm
from quarterdeck.execution.rehearsal import RehearsalLLM
from quarterdeck.systems.configuration import Llm
from quarterdeck.vault import SecretMissing

SECRETS = {"openai": "key-1", "blank": ""}


def build(timeout: float = 7.5, **fields: Any) -> Any:
    return build_llm(Llm(**fields), SECRETS.__getitem__, timeout)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "ollama"])
def test_a_model_gets_its_key_by_its_constructor_alone(provider: str) -> None:
    before = dict(os.environ)
    llm = build(model=f"{provider}/any-name", secret="openai", temperature=0.2, max_tokens=9)
    assert (llm.provider, llm.model) == (provider, "any-name")
    assert (llm.api_key, llm.timeout, llm.temperature, llm.max_tokens) == ("key-1", 7.5, 0.2, 9)
    assert llm._client.timeout == 7.5
    assert dict(os.environ) == before


def test_ollama_is_local_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://elsewhere:1")
    monkeypatch.setenv("OLLAMA_API_KEY", "the-machine's")
    llm = build(model="ollama/llama3")
    assert (llm.base_url, llm.api_key) == (OLLAMA_URL, "none")
    assert build(model="ollama/llama3", base_url="http://gpu:1/v1").base_url == "http://gpu:1/v1"


def test_a_server_without_keys_needs_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-machine's")
    llm = build(model="openai/local", base_url="http://127.0.0.1:1/v1")
    assert (llm.api_key, llm.base_url) == ("none", "http://127.0.0.1:1/v1")


def test_bedrock_has_the_region_of_the_function_and_the_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    llm = build(model="bedrock/amazon.nova-pro-v1:0", timeout=7.5)
    assert llm.model == "amazon.nova-pro-v1:0"
    assert llm._client.meta.region_name == "eu-central-1"
    assert llm._client.meta.config.read_timeout == 7.5


def test_an_empty_secret_is_missing() -> None:
    with pytest.raises(SecretMissing, match="'blank' of the model 'openai/gpt' is empty"):
        build(model="openai/gpt", secret="blank")


def test_each_agent_has_a_model_of_its_own() -> None:
    one, other = build(model="rehearsal"), build(model="rehearsal")
    assert isinstance(one, RehearsalLLM)
    assert one is not other
