"""A crew system's configuration: closed models, in which nothing can name code to import."""

from quarterdeck.systems.configuration.agent import MAX_TASK_SECONDS, Agent
from quarterdeck.systems.configuration.base import Configuration
from quarterdeck.systems.configuration.crew import MAX_INPUTS, Budget, Crew
from quarterdeck.systems.configuration.llm import REHEARSAL, Llm
from quarterdeck.systems.configuration.step import Step
from quarterdeck.systems.configuration.system import (
    SystemConfiguration,
    Threshold,
    check_base_urls,
)

__all__ = [
    "MAX_INPUTS",
    "MAX_TASK_SECONDS",
    "REHEARSAL",
    "Agent",
    "Budget",
    "Configuration",
    "Crew",
    "Llm",
    "Step",
    "SystemConfiguration",
    "Threshold",
    "check_base_urls",
]
