"""What calls cost, by the list prices of prices.json."""

from typing import Any

import pytest

from quarterdeck.execution.llms import build_llm
from quarterdeck.execution.prices import FREE, count_usage, find_price, load_prices
from quarterdeck.systems.configuration import Embedder, Llm
from quarterdeck.tasks.outcome import Usage

PROVIDERS = {"openai", "anthropic", "bedrock"}


def test_every_price_is_of_a_provider_that_a_configuration_can_name() -> None:
    for model, price in load_prices().items():
        assert model.partition("/")[0] in PROVIDERS
        secret = None if model.startswith("bedrock") else "key"
        if price.completion:
            assert Llm(model=model, secret=secret)
            assert 0 < price.cached < price.prompt < price.completion
        else:
            assert Embedder(model=model, secret=secret)
            assert price.cached == price.prompt > 0


@pytest.mark.parametrize(
    ("provider", "model", "listed"),
    [
        ("openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openai", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("bedrock", "amazon.nova-pro-v1:0", "bedrock/amazon.nova-pro-v1:0"),
        ("bedrock", "eu.amazon.nova-pro-v1:0", "bedrock/amazon.nova-pro-v1:0"),
    ],
)
def test_a_dated_or_regional_name_has_the_price_of_its_model(
    provider: str, model: str, listed: str
) -> None:
    assert find_price(provider, model, None) == load_prices()[listed]


def test_what_has_no_price() -> None:
    assert find_price("openai", "gpt-of-tomorrow", None) is None
    assert find_price("openai", "gpt-4o-mini", "https://models.example.com/v1") is None
    assert find_price("ollama", "llama", "http://localhost:11434/v1") == FREE
    assert find_price("rehearsal", "rehearsal", None) == FREE


@pytest.mark.parametrize(
    ("reported", "usd"),
    [
        ({"prompt_tokens": 1_000_000, "completion_tokens": 100_000}, 0.15 + 0.06),
        (
            {
                "prompt_tokens": 1_000_000,
                "completion_tokens": 0,
                "prompt_tokens_details": {"cached_tokens": 400_000},
            },
            0.6 * 0.15 + 0.4 * 0.075,
        ),
        (None, 0.0),
    ],
)
def test_a_call_costs_what_its_tokens_cost(reported: dict[str, Any] | None, usd: float) -> None:
    llm = build_llm(Llm(model="openai/gpt-4o-mini", secret="key"), lambda _: "k", 60)
    usage = count_usage(llm, reported)
    assert usage.cost_usd == pytest.approx(usd)
    assert (usage.requests, usage.unpriced) == (1, 0)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-x", "bedrock/y", "rehearsal"])
def test_a_model_knows_its_provider(model: str) -> None:
    llm = Llm(model=model, secret="key" if model[0] in "oa" else None)
    assert build_llm(llm, lambda _: "k", 60).provider == llm.provider


def test_costs_add_up_without_the_dust_of_floats() -> None:
    total = sum((Usage(requests=1, cost_usd=0.1) for _ in range(10)), Usage())
    assert (total.cost_usd, total.requests) == (1.0, 10)
