"""A crew system's configuration: closed models, in which nothing can name code to import."""

from quarterdeck.systems.configuration.agent import MAX_TASK_SECONDS, Agent
from quarterdeck.systems.configuration.base import Configuration
from quarterdeck.systems.configuration.crew import MAX_INPUTS, Budget, Crew
from quarterdeck.systems.configuration.events import Events
from quarterdeck.systems.configuration.health_checks import HealthChecks, SmokeTask
from quarterdeck.systems.configuration.knowledge import KnowledgeText
from quarterdeck.systems.configuration.llm import REHEARSAL, Llm
from quarterdeck.systems.configuration.memory import Embedder, Memory
from quarterdeck.systems.configuration.step import Step
from quarterdeck.systems.configuration.system import (
    Metric,
    SystemConfiguration,
    Threshold,
    walk_embedders,
    walk_llms,
    walk_tools,
)

__all__ = [
    "MAX_INPUTS",
    "MAX_TASK_SECONDS",
    "REHEARSAL",
    "Agent",
    "Budget",
    "Configuration",
    "Crew",
    "Embedder",
    "Events",
    "HealthChecks",
    "KnowledgeText",
    "Llm",
    "Memory",
    "Metric",
    "SmokeTask",
    "Step",
    "SystemConfiguration",
    "Threshold",
    "walk_embedders",
    "walk_llms",
    "walk_tools",
]
