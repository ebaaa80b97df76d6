"""No request to a model outlasts its worker."""

import math
from typing import Any

from crewai.llms.base_llm import BaseLLM

from quarterdeck.execution.bedrock import TimedBedrock

SHORTEST_TIMEOUT = 1.0


def limit_request(llm: BaseLLM, seconds: float) -> None:
    """Cuts the time of the model's next requests to `seconds`, or to its own limit if that is less.

    For the clients of OpenAI (Ollama's too) and Anthropic, and for Bedrock's synchronous one.
    """
    own: float | None = getattr(llm, "timeout", None)
    if own is None or math.isinf(seconds):
        return
    limit = min(own, max(seconds, SHORTEST_TIMEOUT))
    if isinstance(llm, TimedBedrock):
        llm.limit_client(limit)
        return
    for name in ("_client", "_async_client"):
        client: Any = getattr(llm, name, None)
        if hasattr(client, "timeout"):
            client.timeout = limit
