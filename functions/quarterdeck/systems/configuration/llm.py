"""The model of an agent."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, LiteralString

from pydantic import BeforeValidator, Field, HttpUrl, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from quarterdeck.names import Name
from quarterdeck.systems.configuration.base import Configuration, Fault, Share, Whole

PROVIDERS = ("anthropic", "bedrock", "ollama", "openai")
REHEARSAL = "rehearsal"
MAX_TOKENS = 10_000_000
MAX_REQUEST_SECONDS = 900

LIKE_OPENAI = {"openai", "ollama"}
TAKEN_BY = {
    "max_completion_tokens": {"openai"},
    "frequency_penalty": LIKE_OPENAI,
    "presence_penalty": LIKE_OPENAI,
    "seed": LIKE_OPENAI,
    "reasoning_effort": {"openai"},
}
"""Parameters that not every provider takes."""

COOL = {"anthropic": 1, "bedrock": 1}
"""The highest temperature, where it is under 2."""

StopText = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Llm(Configuration):
    """A model by `provider/name`, or `rehearsal`: the stand-in, which heeds no parameter."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """`anthropic/…`, `bedrock/…`, `ollama/…`, `openai/…`, or `rehearsal`."""
    secret: Name | None = None
    """The secret `quarterdeck/<environment>/NAME` with the provider's key."""
    base_url: HttpUrl | None = None
    """A server that speaks as the provider does: one that the environment allows."""
    temperature: Share | None = Field(default=None, ge=0, le=2)
    """At most 1 for `anthropic` and `bedrock`."""
    top_p: Share | None = Field(default=None, gt=0, le=1)
    """The share of probability that words are drawn from."""
    max_tokens: Whole | None = Field(default=None, ge=1, le=MAX_TOKENS)
    """Of an answer."""
    max_completion_tokens: Whole | None = Field(default=None, ge=1, le=MAX_TOKENS)
    """The same, for models of `openai` that reason; not with `max_tokens`."""
    frequency_penalty: Share | None = Field(default=None, ge=-2, le=2)
    """`openai` and `ollama`."""
    presence_penalty: Share | None = Field(default=None, ge=-2, le=2)
    """`openai` and `ollama`."""
    seed: Whole | None = Field(default=None, ge=0, lt=2**63)
    """`openai` and `ollama`."""
    stop: tuple[StopText, ...] | None = Field(default=None, min_length=1, max_length=4)
    """Texts that end an answer."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    """`openai`."""
    timeout: Whole | None = Field(default=None, ge=1, le=MAX_REQUEST_SECONDS)
    """Seconds that one request may take; never more than what is left of turn and task."""

    @field_validator("model")
    @classmethod
    def check_provider(cls, model: str) -> str:
        check_name(model, PROVIDERS, "model_name")
        return model

    @classmethod
    def find_faults(cls, sketch: Any) -> Iterator[Fault]:
        provider = find_provider(sketch.model)
        if sketch.secret and provider in {"bedrock", REHEARSAL}:
            yield Fault((), f"{provider} takes no 'secret'")
        if provider in {"openai", "anthropic"} and (sketch.secret, sketch.base_url) == (None, None):
            rule = f"{provider} models need 'secret', the name of the secret that holds the API key"
            yield Fault((), rule)
        for name, providers in TAKEN_BY.items():
            given = getattr(sketch, name) is not None
            if given and provider in PROVIDERS and provider not in providers:
                rule = f"{provider} does not take it; of {', '.join(sorted(providers))} alone"
                yield Fault((name,), rule)
        if sketch.temperature and sketch.temperature > COOL.get(provider, 2):
            yield Fault(("temperature",), f"is at most {COOL[provider]} for {provider}")
        if sketch.max_tokens and sketch.max_completion_tokens:
            yield Fault(("max_completion_tokens",), "says the same as max_tokens: give one of them")

    @property
    def provider(self) -> str:
        return find_provider(self.model)


def check_name(model: str, providers: Sequence[str], fault: LiteralString) -> None:
    """`rehearsal`, or a provider's name, a slash and a name."""
    provider, _, name = model.partition("/")
    if model != REHEARSAL and not (name and provider in providers):
        raise PydanticCustomError(
            fault,
            "'{model}' is neither 'rehearsal' nor 'provider/name' of a provider of {providers}",
            {"model": model, "providers": ", ".join(providers)},
        )


def find_provider(model: Any) -> str:
    return model.partition("/")[0] if model else ""


def expand_llm(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


LlmOrName = Annotated[Llm, BeforeValidator(expand_llm)]
"""An `llm` may be its model's name alone."""
