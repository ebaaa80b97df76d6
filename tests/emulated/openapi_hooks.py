"""What schemathesis cannot make up: in most cases it is given ids of what is there.

Imported by its program, as SCHEMATHESIS_HOOKS says; SITES has the ids.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import schemathesis
from hypothesis import strategies as st

from quarterdeck.names import NAME_PATTERN

type Values = dict[str, Any]
type Choices = Mapping[str, Sequence[Any]]

SITES: dict[str, dict[str, list[Any]]] = json.loads(os.environ["SITES"])
"""By name; each has values by the name of their parameter."""
DESTRUCTIVE = {
    ("delete", "/crews/{system_id}"),
    ("post", "/crews/{system_id}/pause"),
    ("post", "/crews/{system_id}/backups/{backup_id}/restore"),
}
"""Done to the spare system: the main one is to be there, open and active, for all else."""


@schemathesis.hook
def flatmap_path_parameters(context: Any, path_parameters: Values | None) -> Any:
    operation = context.operation
    if (operation.method, operation.path) not in DESTRUCTIVE or not path_parameters:
        return choose(path_parameters, SITES["main"])
    (system_id,) = SITES["spare"]["system_id"]
    return choose({**path_parameters, "system_id": system_id}, SITES["spare"])


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Schemathesis learns ids from lists, so that of the system that is being restored as well.

    That this one answers 503 with Retry-After until it is open again is the design's.
    """
    restored = SITES["spare"]["system_id"][0] in str(response.request.url)
    return not (restored and response.status_code == 503 and "retry-after" in response.headers)


@schemathesis.hook
def flatmap_query(context: Any, query: Values | None) -> Any:
    return choose_crew(query)


@schemathesis.hook
def flatmap_body(context: Any, body: Any) -> Any:
    return choose_crew(body) if isinstance(body, dict) else st.just(body)


def choose_crew(values: Values | None) -> Any:
    """Of names that could be a crew's: what is no name is to be refused as what it is."""
    named = {
        name: ["research"]
        for name in ("crew", "crew_name")
        if re.fullmatch(NAME_PATTERN, str((values or {}).get(name)))
    }
    return choose(values, named)


def choose(values: Values | None, choices: Choices) -> Any:
    """Three times of four, those of `choices` in place of what was made up."""
    known = {name: st.sampled_from(choices[name]) for name in values or {} if name in choices}
    if values is None or not known:
        return st.just(values)
    chosen = st.fixed_dictionaries(known).map(lambda some: {**values, **some})
    return st.one_of(chosen, chosen, chosen, st.just(values))
