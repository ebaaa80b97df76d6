"""What a crew's agents remember from task to task, and what makes vectors of texts."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, HttpUrl, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from quarterdeck.names import Name
from quarterdeck.systems.configuration.base import Configuration, Fault, Switch, Whole
from quarterdeck.systems.configuration.llm import (
    REHEARSAL,
    Llm,
    LlmOrName,
    check_name,
    expand_llm,
    find_provider,
)

EMBEDDING_PROVIDERS = ("bedrock", "ollama", "openai")
TITAN = "bedrock/amazon.titan-embed-text-"
TITAN_2 = f"{TITAN}v2:0"
TITAN_DIMENSIONS = (256, 512, 1024)
SMALL = "openai/text-embedding-3-small"


class Embedder(Configuration):
    """What makes vectors of texts: those of like meaning lie close to each other."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """`bedrock/amazon.titan-embed-text-…`, `openai/…`, `ollama/…`, or `rehearsal`: by words in \
common, in the worker itself, for nothing."""
    secret: Name | None = None
    """The secret `quarterdeck/<environment>/NAME` with the provider's key."""
    base_url: HttpUrl | None = None
    """A server that speaks as the provider does: one that the environment allows."""
    dimensions: Whole | None = Field(default=None, ge=64, le=3072)
    """Of a vector; 256, 512 or 1,024 for Titan. Without it, the model's own. Memories of \
another number cannot be searched: memory then fails until they are erased."""

    @field_validator("model")
    @classmethod
    def check_model(cls, model: str) -> str:
        check_name(model, EMBEDDING_PROVIDERS, "embedder_name")
        if find_provider(model) == "bedrock" and not model.startswith(TITAN):
            rule = "'{model}' is none of Bedrock's models that are known here: {titan}…"
            raise PydanticCustomError("embedder_name", rule, {"model": model, "titan": TITAN})
        return model

    @classmethod
    def find_faults(cls, sketch: Any) -> Iterator[Fault]:
        provider = find_provider(sketch.model)
        if sketch.secret and provider in {"bedrock", REHEARSAL}:
            yield Fault((), f"{provider} takes no 'secret'")
        if provider == "openai" and (sketch.secret, sketch.base_url) == (None, None):
            rule = "openai models need 'secret', the name of the secret that holds the API key"
            yield Fault((), rule)
        if provider == "bedrock" and sketch.dimensions:
            if sketch.model != TITAN_2:
                yield Fault(("dimensions",), f"is for {TITAN_2}, of Bedrock's models")
            elif sketch.dimensions not in TITAN_DIMENSIONS:
                yield Fault(("dimensions",), "is 256, 512 or 1024 for Titan")

    @property
    def provider(self) -> str:
        return find_provider(self.model)


EmbedderOrName = Annotated[Embedder, BeforeValidator(expand_llm)]
"""An embedder may be its model's name alone."""


class Memory(Configuration):
    """What the agents of a crew with `memory_enabled` share, and keep from task to task."""

    llm: LlmOrName | None = None
    """Draws from each step's answer what is kept, a call for each step, and compares it with what \
is known. Without it, the first such agent's."""
    embedder: EmbedderOrName | None = None
    """Without it, by the provider of that model: Titan for `bedrock` and `anthropic`, \
`openai/text-embedding-3-small` for `openai`, `rehearsal` for servers of one's own."""
    recall: Literal["shallow", "deep"] = "shallow"
    """`shallow`: the request is searched for as it is. `deep`: the model makes questions of a \
long one, up to a call for each turn, and reads on where it found little, some calls more."""
    analysis: Switch = False
    """Whether the model gives each memory a scope, categories and importance: a call for each."""
    consolidation: Switch = True
    """Whether the model decides what becomes of memories that a new one is close to: a call for \
each new one that is."""
    read_only: Switch = False
    """Whether agents only recall, and nothing is kept."""
    recency_half_life_days: Whole = Field(default=30, ge=1, le=3650)
    """Days in which the worth of being new halves."""
    max_records: Whole = Field(default=10_000, ge=1, le=100_000)
    """The oldest beyond so many are removed."""
    max_age_days: Whole | None = Field(default=None, ge=1, le=3650)
    """Those older are removed; without it, none for its age."""


def choose_embedder(llm: Llm) -> Embedder:
    """What goes with a model, where a configuration does not say."""
    if llm.provider in {"bedrock", "anthropic"} and llm.base_url is None:
        return Embedder(model=TITAN_2)
    if llm.provider == "openai" and llm.base_url is None:
        return Embedder(model=SMALL, secret=llm.secret)
    return Embedder(model=REHEARSAL)
