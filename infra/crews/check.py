"""`make check-crews`: crew systems validated, and built by crewai, without asking any model."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.crews.systems import CREWS, CrewSystem, load_systems
from infra.crews.yaml_source import Complaint, Refused

REGION = "us-east-1"
"""A client for Bedrock needs one to be made; none is asked."""


def main(arguments: Sequence[str]) -> int:
    """0 if all can be deployed; 1, and a line for each thing that is wrong."""
    try:
        systems = load_systems([Path(argument) for argument in arguments] or [CREWS])
        if complaints := [found for system in systems for found in build_crews(system)]:
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


def build_crews(system: CrewSystem) -> Iterator[Complaint]:
    """A complaint for each crew that crewai refuses."""
    from quarterdeck.execution.workspace import Workspace
    from quarterdeck.process import prepare_process

    os.environ.setdefault("AWS_REGION", REGION)
    with Workspace().open_for("check"):
        prepare_process()
        # Not before the process is prepared: crewai reads the environment at its import.
        from quarterdeck.execution.crews import check_crew

        for index, crew in enumerate(system.configuration.crews):
            try:
                check_crew(crew, lambda name: f"key-of-{name}")
            except Exception as error:
                yield Complaint(system.place, None, f"crews[{index}]", str(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
