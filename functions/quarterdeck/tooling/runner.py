"""Runs the team's tools, with their secrets, and answers without them."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from quarterdeck.faults import read_error
from quarterdeck.observability import Trace, follow, logger
from quarterdeck.redaction import SecretsInUse
from quarterdeck.tooling.manifest import Manifest, Tool, find_tool
from quarterdeck.tooling.messages import (
    ToolAnswer,
    ToolCheck,
    ToolFault,
    ToolRequest,
    answer_fault,
)
from quarterdeck.tooling.policy import LOADING_SECONDS
from quarterdeck.tooling.process import ToolProcess

LONGEST_TEXT = 200_000


class InvalidRequest(Exception):
    """What the function was sent is not a message of ours."""


class ToolRunner:
    """`show` is given what a tool printed, with its name."""

    def __init__(
        self,
        manifest: Manifest,
        process: ToolProcess,
        read_secret: Callable[[str], str],
        show: Callable[[str, str], None],
    ) -> None:
        self.manifest = manifest
        self.process = process
        self.show = show
        # Of all calls: a tool can say in one what it was given in another.
        self._secrets = SecretsInUse(read_secret)

    def handle(self, event: Mapping[str, Any]) -> ToolAnswer:
        """The tool's answer; whatever goes wrong is one as well."""
        try:
            message = (ToolCheck if "check" in event else ToolRequest).model_validate(event)
            tool = find_tool(message.tool, self.manifest)
        except ValidationError as error:
            return answer_fault(InvalidRequest(str(read_error(error, "event"))))
        except Exception as error:
            return answer_fault(error)
        if isinstance(message, ToolCheck):
            return self._serve(tool, message)
        with follow(Trace(message.task_id, message.correlation_id)):
            answer = self._serve(tool, message)
            logger.info("Ran", tool=tool.name, error=answer.error and answer.error.type)
            return answer

    def _serve(self, tool: Tool, message: ToolRequest | ToolCheck) -> ToolAnswer:
        try:
            answer = self._ask(tool, message)
        except Exception as error:
            answer = answer_fault(error)
        if printed := self.process.take_output():
            self.show(tool.name, self._secrets.scrub_panel(printed))
        return clean_answer(answer, self._secrets.scrub)

    def call(self, tool: Tool, request: ToolRequest) -> ToolAnswer:
        """The same for a caller in this process: `make run` and `make tool`."""
        del tool
        return self.handle(request.model_dump())

    def _ask(self, tool: Tool, message: ToolRequest | ToolCheck) -> ToolAnswer:
        values = {name: self._secrets.read(name) for name in tool.secrets}
        # Loading is not the tool's time: it comes first, by itself.
        loading = {"tool": tool.name, "seconds": LOADING_SECONDS}
        loaded = ToolAnswer.model_validate(self.process.ask(loading, LOADING_SECONDS))
        if loaded.error or isinstance(message, ToolCheck):
            return loaded
        seconds = min(tool.timeout, message.seconds or tool.timeout)
        request = {
            **message.model_dump(exclude={"seconds", "task_id"}),
            "secrets": values,
            "seconds": seconds,
        }
        return ToolAnswer.model_validate(self.process.ask(request, seconds))


def log_output(tool: str, output: str) -> None:
    logger.info("Printed", tool=tool, output=output)


def clean_answer(answer: ToolAnswer, scrub: Callable[[str], str]) -> ToolAnswer:
    """Without secrets, and not longer than an agent can read."""
    if answer.error:
        fault = ToolFault(type=answer.error.type, message=cut_text(scrub(answer.error.message)))
        return ToolAnswer(error=fault)
    return ToolAnswer(text=cut_text(scrub(answer.text)))


def cut_text(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}… (cut: {LONGEST_TEXT:,} of {len(text):,} characters)"
