"""What is kept of a task's calls, so that people can follow it."""

from typing import Literal

from pydantic import Field

from quarterdeck.systems.configuration.base import Configuration, Line


class Events(Configuration):
    """Of the arguments of tool calls. Values of secrets are in none of them, whatever it says."""

    arguments: Literal["full", "names", "none"] = "full"
    """Whether events hold them; `names`: without their values."""
    redact: tuple[Line, ...] = Field(default=(), max_length=50)
    """Names of arguments whose values are left out, at any depth, whatever their case."""
