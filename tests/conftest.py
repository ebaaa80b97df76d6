"""For every tier: the process that crewai runs in, as the functions prepare it."""

from quarterdeck.execution.environment import prepare_process

prepare_process()
