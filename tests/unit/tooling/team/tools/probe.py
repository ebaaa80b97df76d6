"""A tool that does what it is told, for the tests of what runs it."""

import os
import subprocess
import sys
import time
from typing import Literal

from crewai.tools import BaseTool
from pydantic import BaseModel

from quarterdeck.tooling.calls import read_correlation_id, read_idempotency_key, read_secret
from quarterdeck.tooling.policy import Policy

POLICY = Policy(has_effect=True, in_doubt="fail", timeout=2, secrets=("search",))


class ProbeArguments(BaseModel):
    do: Literal[
        "environment", "key", "secret", "undeclared", "print", "raise", "exit", "die", "sleep",
        "go on", "long", "half", "trace",
    ]  # fmt: skip
    times: int = 1


class Probe(BaseTool):
    name: str = "The probe"
    description: str = "Does what it is told."
    args_schema: type[BaseModel] = ProbeArguments

    def _run(self, do: str, times: int) -> object:
        match do:
            case "environment":
                return sorted(os.environ)
            case "key":
                return read_idempotency_key()
            case "trace":
                return read_correlation_id()
            case "undeclared":
                return read_secret("other")
            case "print":
                print(read_secret("search"), file=sys.stderr)
                return subprocess.run(["echo", read_secret("search")], check=True).returncode
            case "raise":
                raise ConnectionError(f"GET https://x/?key={read_secret('search')} was refused")
            case "exit":
                sys.exit(3)
            case "die":
                os._exit(4)
            case "sleep":
                time.sleep(60)
            case "go on":
                return str(os.getpid())
            case "long":
                return "a" * times
            case "half":
                return "\udc00"
        return {"the secret": read_secret("search")}
