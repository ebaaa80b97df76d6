"""The model of an agent: crewai's own provider classes, or the rehearsal model."""

import os
from collections.abc import Callable

from crewai import LLM
from crewai.llms.base_llm import BaseLLM

from quarterdeck.execution.bedrock import TimedBedrock
from quarterdeck.execution.rehearsal import RehearsalLLM
from quarterdeck.systems.configuration import REHEARSAL, Embedder, Llm
from quarterdeck.vault import SecretMissing

OLLAMA_URL = "http://localhost:11434/v1"
NO_KEY = "none"
"""For servers that ask for no key: the clients insist on one."""


def build_llm(llm: Llm, read_secret: Callable[[str], str], timeout: float) -> BaseLLM:
    """A new model object, with `timeout` seconds for each request; SecretMissing names the secret.

    One for each agent: crewai counts the tokens of a shared object once for every agent.
    """
    if llm.model == REHEARSAL:
        return RehearsalLLM(model=REHEARSAL, provider=REHEARSAL)
    name = llm.model.partition("/")[2]
    timeout = min(timeout, llm.timeout or timeout)
    options = llm.model_dump(
        mode="json", exclude={"model", "secret", "timeout"}, exclude_defaults=True
    )
    if llm.provider == "bedrock":
        # crewai reads other variables than the one that Lambda sets.
        region = os.environ.get("AWS_REGION")
        return TimedBedrock(model=name, region_name=region, timeout=timeout, **options)
    if llm.provider == "ollama":
        options.setdefault("base_url", OLLAMA_URL)
    key = read_key(llm, read_secret)
    # Whatever a provider refuses is tried again by the journal, which knows time and cancel.
    options["max_retries"] = 0
    return LLM(name, provider=llm.provider, api_key=key, timeout=timeout, **options)


def read_key(model: Llm | Embedder, read_secret: Callable[[str], str]) -> str:
    if model.secret is None:
        return NO_KEY
    key = read_secret(model.secret)
    if not key:
        raise SecretMissing(f"secret '{model.secret}' of the model '{model.model}' is empty")
    return key
