"""`{description}` and `{input}` in a crew's texts, filled in once: braces in a request are text."""

import re
from collections.abc import Mapping

from quarterdeck.systems.configuration import Crew

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """`text` with each placeholder replaced; KeyError for one that `values` lacks."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], text)


def list_placeholders(crew: Crew) -> list[str]:
    """The names of the inputs, sorted, that a task of this crew must bring."""
    texts = [text for agent in crew.agents for text in (agent.role, agent.goal, agent.backstory)]
    texts += [text for step in crew.tasks for text in (step.description, step.expected_output)]
    return sorted({name for text in texts for name in PLACEHOLDER.findall(text)} - {"description"})
