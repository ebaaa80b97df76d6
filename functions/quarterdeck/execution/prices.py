"""What a call costs, by the list prices in prices.json. What is not in it has no price."""

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from crewai.types.usage_metrics import UsageMetrics

from quarterdeck.systems.configuration import REHEARSAL
from quarterdeck.tasks.outcome import Usage

TABLE = Path(__file__).with_name("prices.json")
MILLION = 1_000_000
DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
INFERENCE_PROFILE = re.compile(r"^(us|us-gov|eu|apac|jp|au|ca|global)\.")


class Price(NamedTuple):
    """USD per million tokens; `cached` of those in the prompt that the provider remembered."""

    prompt: float
    cached: float
    completion: float


FREE = Price(0, 0, 0)


@cache
def load_prices() -> dict[str, Price]:
    table = json.loads(TABLE.read_text())
    return {model: Price(**price) for model, price in table["prices"].items()}


def find_price(provider: str, model: str, base_url: str | None) -> Price | None:
    """None for a model that the table lacks, and for any model of a server of one's own."""
    if provider in {REHEARSAL, "ollama"}:
        return FREE
    if base_url is not None:
        return None
    name = INFERENCE_PROFILE.sub("", model) if provider == "bedrock" else DATED.sub("", model)
    return load_prices().get(f"{provider}/{name}")


class Model(Protocol):
    """Of a provider, by its name there."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def base_url(self) -> str | None: ...


def count_usage(llm: Model, reported: dict[str, object] | None) -> Usage:
    """One call, as its provider reported it."""
    tokens = UsageMetrics.from_provider_dict(reported or {}) or UsageMetrics()
    price = find_price(llm.provider, llm.model, llm.base_url)
    return Usage(
        prompt_tokens=tokens.prompt_tokens,
        completion_tokens=tokens.completion_tokens,
        requests=1,
        cost_usd=price_tokens(price, tokens) if price else 0.0,
        unpriced=0 if price else 1,
    )


def price_tokens(price: Price, tokens: UsageMetrics) -> float:
    """USD."""
    fresh = tokens.prompt_tokens - tokens.cached_prompt_tokens
    return (
        fresh * price.prompt
        + tokens.cached_prompt_tokens * price.cached
        + tokens.completion_tokens * price.completion
    ) / MILLION
