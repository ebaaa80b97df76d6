"""`LLM=provider/name`: the model that all agents of the sample get instead of the rehearsal."""

import copy
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from infra.local.failure import LocalRunFailed

KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
BASE_URLS = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
OLLAMA_URL = "http://localhost:11434/v1"


class Model(NamedTuple):
    llm: dict[str, str]
    """What the configuration gets."""
    key: str | None
    """The value of the secret that `llm` names, if it names one."""


def choose_model(variables: Mapping[str, str], allowed_urls: Collection[str]) -> Model | None:
    """What LLM and its provider's variables ask for; None: the sample as it is. LocalRunFailed."""
    name = variables.get("LLM", "")
    if name in {"", "rehearsal"}:
        return None
    provider, _, model = name.partition("/")
    if provider == "bedrock":
        raise LocalRunFailed(
            "LLM=bedrock/… needs AWS, where `cdk deploy` takes it: the emulator's Bedrock answers "
            "one canned text"
        )
    if provider == "ollama" and model:
        return Model({"model": name, "base_url": OLLAMA_URL}, None)
    if provider not in KEYS or not model:
        raise LocalRunFailed(f"LLM={name} is not openai/NAME, anthropic/NAME or ollama/NAME")
    llm = {"model": name}
    if url := variables.get(BASE_URLS[provider]):
        if url not in allowed_urls:
            raise LocalRunFailed(
                f"{BASE_URLS[provider]}={url} is not allowed: add it to model_base_urls in "
                "infra/environments/development.yaml"
            )
        llm["base_url"] = url
    key = variables.get(KEYS[provider])
    if key:
        llm["secret"] = provider
    elif not url:
        raise LocalRunFailed(f"LLM={name} needs the key in {KEYS[provider]}, which is not set")
    return Model(llm, key)


def replace_llm(configuration: Mapping[str, Any], llm: Mapping[str, str]) -> dict[str, Any]:
    """The configuration with this model for every agent, and for every manager that has its own."""
    replaced = copy.deepcopy(dict(configuration))
    for crew in replaced["crews"]:
        for agent in crew["agents"]:
            agent["llm"] = dict(llm)
        if "manager_llm" in crew:
            crew["manager_llm"] = dict(llm)
        if isinstance(manager := crew.get("manager_agent"), dict):
            manager["llm"] = dict(llm)
    return replaced
