"""`make check-crews`: crew systems validated, and built by crewai, without asking any model."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import HttpUrl

from infra.crews.systems import CREWS, CrewSystem, load_systems
from infra.crews.yaml_source import Complaint, Refused
from infra.environment import DIRECTORY, load_target
from quarterdeck.errors import FieldError
from quarterdeck.execution.workspace import Workspace
from quarterdeck.process import prepare_process
from quarterdeck.systems.configuration import SystemConfiguration
from quarterdeck.systems.validation import find_faults
from quarterdeck.tooling.manifest import Tool, list_tools, load_manifest
from quarterdeck.tooling.messages import ToolAnswer, ToolRequest

REGION = "us-east-1"
"""A client for Bedrock needs one to be made; none is asked."""


def main(arguments: Sequence[str]) -> int:
    """0 if all can be deployed; 1, and a line for each thing that is wrong."""
    try:
        systems = load_systems([Path(argument) for argument in arguments] or [CREWS])
        if complaints := [found for system in systems for found in find_complaints(system)]:
            raise Refused(complaints)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    for system in systems:
        for note in system.notes:
            print(f"{note} (left out)", file=sys.stderr)
        crews = ", ".join(crew.name for crew in system.configuration.crews)
        print(f"{system.place}: {system.configuration.name} is fine; its crews: {crews}")
    return 0


def find_complaints(system: CrewSystem) -> list[Complaint]:
    """What a deployment would find: rules beyond the models', then crewai's own."""
    faults = find_faults(system.configuration, list_base_urls(), list_tools())
    if faults:
        return [system.complain(fault) for fault in faults]
    return [system.complain(fault) for fault in build_crews(system.configuration)]


def list_base_urls() -> list[HttpUrl]:
    """Those that any environment allows."""
    targets = (load_target(file.stem) for file in sorted(DIRECTORY.glob("*.yaml")))
    return [url for target in targets for url in target.environment.model_base_urls]


def build_crews(configuration: SystemConfiguration) -> Iterator[FieldError]:
    """A fault for each crew that crewai refuses, or a tool that cannot be loaded."""
    os.environ.setdefault("AWS_REGION", REGION)
    with Workspace().open_for("check"):
        prepare_process()
        # Not before the process is prepared: crewai reads the environment at its import.
        from quarterdeck.execution.crews import check_crew
        from quarterdeck.execution.tool_proxies import make_proxies

        for index, crew in enumerate(configuration.crews):
            try:
                check_crew(crew, make_key, make_proxies(crew, load_manifest(), call_nothing))
            except Exception as error:
                yield FieldError(f"crews[{index}]", str(error))


def make_key(name: str) -> str:
    return f"key-of-{name}"


def call_nothing(tool: Tool, request: ToolRequest) -> ToolAnswer:
    raise AssertionError(f"{tool.name} was called by {request}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
