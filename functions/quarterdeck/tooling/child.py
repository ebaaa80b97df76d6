"""`python -m quarterdeck.tooling.child DESCRIPTOR`: runs tools for the process that started it."""

import json
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from pydantic import ValidationError

from quarterdeck.faults import read_error
from quarterdeck.tooling.calls import Call, open_call
from quarterdeck.tooling.messages import ToolAnswer, answer_fault
from quarterdeck.tooling.registry import load_tool

GRACE_SECONDS = 5


class InvalidArguments(Exception):
    """Its text names each argument and the rule that it breaks."""


def serve(connection: "Connection[Any, Any]") -> None:
    """Answers requests until the other side is gone."""
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        # Its parent ends a tool that takes too long. This is for one whose parent has died.
        signal.alarm(int(request["seconds"]) + GRACE_SECONDS)
        answer = serve_request(request)
        signal.alarm(0)
        connection.send_bytes(answer.model_dump_json().encode())


def serve_request(request: Mapping[str, Any]) -> ToolAnswer:
    try:
        tool, _ = load_tool(request["tool"])
        if "arguments" not in request:
            return ToolAnswer()
        call = Call(request["idempotency_key"], request["secrets"], request.get("correlation_id"))
        with open_call(call):
            return ToolAnswer(text=run_tool(tool, request["arguments"]))
    except BaseException as error:
        return answer_fault(error)


def run_tool(tool: Any, arguments: Mapping[str, Any]) -> str:
    """What the tool says to an agent; InvalidArguments before it is asked."""
    try:
        tool.args_schema.model_validate(arguments)
    except ValidationError as error:
        raise InvalidArguments(str(read_error(error, "arguments"))) from None
    text: str = tool.format_output_for_agent(tool.run(**arguments))
    # Half of a surrogate pair can be sent nowhere.
    return text.encode(errors="replace").decode()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
