"""A step: one CrewAI task."""

from pydantic import Field

from quarterdeck.names import Name
from quarterdeck.systems.configuration.base import Configuration, Line, Prose, Switch, Whole
from quarterdeck.systems.configuration.output_schema import OutputSchema

MAX_STEPS = 50


class Step(Configuration):
    """One agent's turn. `{description}` and `{input names}` in its texts are filled in."""

    name: Name
    """Unique in the crew."""
    description: Prose
    """What is to be done."""
    expected_output: Prose = "A complete answer to the request."
    """What a good answer is."""
    agent: Line | None = None
    """A role of the crew. A sequential crew needs it; the manager of a hierarchical one chooses."""
    context: tuple[Name, ...] | None = Field(default=None, max_length=MAX_STEPS)
    """Earlier steps whose answers it gets. Without it all that ended before; `[]`: none."""
    async_execution: Switch = False
    """Whether it runs beside the steps after it that say so too, until one that does not."""
    output_schema: OutputSchema | None = None
    """A JSON Schema: the answer is an object that fits it. See below."""
    markdown: Switch = False
    """Whether the answer is to be in Markdown."""
    guardrail: Prose | None = None
    """What holds of a good answer, in words: the agent's model judges by it."""
    guardrail_max_retries: Whole = Field(default=3, ge=0, le=10)
    """How often an answer that was refused is made anew before the task fails."""
    human_input: Switch = False
    """Whether the task waits until a person approves the answer, or says what is to be changed."""

    @property
    def texts(self) -> tuple[str, ...]:
        """All that a request's inputs are filled into."""
        return self.description, self.expected_output, self.guardrail or ""
