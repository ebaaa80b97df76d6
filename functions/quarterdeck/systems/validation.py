"""What a configuration breaks that its own models cannot know."""

from collections.abc import Iterator, Sequence

from pydantic import HttpUrl

from quarterdeck.errors import FieldError, crew_not_found
from quarterdeck.systems.configuration import (
    Embedder,
    Llm,
    SystemConfiguration,
    walk_embedders,
    walk_llms,
    walk_tools,
)
from quarterdeck.systems.thresholds import find_disorder
from quarterdeck.tooling.manifest import describe_unknown


def find_faults(
    configuration: SystemConfiguration, base_urls: Sequence[HttpUrl], tools: Sequence[str]
) -> list[FieldError]:
    """`base_urls`: those that the environment allows for models; `tools`: the release's."""
    return [
        *find_foreign_urls(configuration, base_urls),
        *find_unknown_tools(configuration, tools),
        *find_disorder(configuration),
        *find_smoke_faults(configuration),
    ]


def find_unknown_tools(
    configuration: SystemConfiguration, known: Sequence[str]
) -> Iterator[FieldError]:
    for path, name in walk_tools(configuration):
        if name not in known:
            yield FieldError(path, describe_unknown(name, known))


def find_smoke_faults(configuration: SystemConfiguration) -> Iterator[FieldError]:
    """A smoke task is refused where a task of the crew would be."""
    smoke = configuration.health_checks.smoke_task
    if smoke is None:
        return
    crews = {crew.name: crew for crew in configuration.crews}
    path = "health_checks.smoke_task"
    if smoke.crew_name not in crews:
        yield crew_not_found(f"{path}.crew_name", smoke.crew_name, crews)
        return
    for name in crews[smoke.crew_name].placeholders:
        if name not in smoke.inputs:
            rule = f"a text of the crew has the placeholder {{{name}}}"
            yield FieldError(f"{path}.inputs.{name}", rule)


def find_foreign_urls(
    configuration: SystemConfiguration, allowed: Sequence[HttpUrl]
) -> Iterator[FieldError]:
    models: list[tuple[str, Llm | Embedder]] = [
        *walk_llms(configuration),
        *walk_embedders(configuration),
    ]
    for path, model in models:
        if model.base_url is not None and model.base_url not in allowed:
            rule = f"'{model.base_url}' is not among those the environment allows"
            yield FieldError(f"{path}.base_url", rule)
