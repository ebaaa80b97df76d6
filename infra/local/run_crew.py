"""Runs a crew of a YAML file in this process, without AWS or its emulator: `make run`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from infra.crews.knowledge import inline_files
from infra.crews.yaml_source import Refused, read_yaml
from infra.local.team_tools import load_manifest_for, open_tools, read_secret
from quarterdeck.errors import InvalidInput
from quarterdeck.execution.workspace import Workspace
from quarterdeck.faults import read_error
from quarterdeck.process import prepare_process
from quarterdeck.systems.configuration import Crew, SystemConfiguration
from quarterdeck.systems.validation import find_unknown_tools
from quarterdeck.tasks.events import MemoryDegraded, RunEvent, StepStarted
from quarterdeck.tasks.outcome import Outcome
from quarterdeck.tooling.manifest import list_tools

HELP = """\
The text of INPUT becomes the one input that the crew's texts ask for ({document}, say) and that
--set does not give; if they ask for none, it is appended to the description. A secret NAME of a
model or a tool is read from the environment variable NAME_API_KEY: `secret: openai` from
OPENAI_API_KEY. What the crew learns it knows until the run is over. A step with `human_input` asks
on the terminal."""

DESCRIPTION = "Sum up what matters."


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the crew succeeded, 1 when it failed, 2 when file or arguments are wrong."""
    options = read_options(arguments)
    try:
        crew = find_crew(read_system(options.crew), options.name)
        description, inputs = place_input(
            crew, options.description, dict(options.set), options.input
        )
    except (OSError, ValueError, Refused, InvalidInput) as error:
        print(*explain(error, options.crew), sep="\n", file=sys.stderr)
        return 2
    outcome = rehearse(crew, description, inputs, verbose=options.verbose)
    print(format_outcome(outcome))
    return 0 if outcome.status == "succeeded" else 1


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.run_crew",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--crew", type=Path, required=True, help="file of a crew system")
    parser.add_argument("--name", help="which of its crews; without it, the first")
    parser.add_argument("--input", type=Path, help="file with a text to work on")
    parser.add_argument("--description", default=DESCRIPTION, help="the request: %(default)s")
    parser.add_argument(
        "--set", action="append", type=read_pair, default=[], metavar="NAME=VALUE", help="an input"
    )
    parser.add_argument("--verbose", action="store_true", help="with what crewai prints")
    return parser.parse_args(arguments)


def read_pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE")
    return name, value


def read_system(path: Path) -> SystemConfiguration:
    system = SystemConfiguration.model_validate(inline_files(read_yaml(path)).data)
    if unknown := list(find_unknown_tools(system, list_tools())):
        raise InvalidInput(unknown)
    return system


def find_crew(system: SystemConfiguration, name: str | None) -> Crew:
    names = [crew.name for crew in system.crews]
    if name is not None and name not in names:
        raise ValueError(f"no crew '{name}' in {system.name}; its crews are: {', '.join(names)}")
    return system.crews[0 if name is None else names.index(name)]


def place_input(
    crew: Crew, description: str, inputs: dict[str, str], path: Path | None
) -> tuple[str, dict[str, str]]:
    """Description and inputs with the file's text in its place; ValueError if one is missing."""
    missing = [name for name in crew.placeholders if name not in inputs]
    if path is not None and len(missing) == 1:
        inputs = {**inputs, missing.pop(): path.read_text()}
    elif path is not None and not missing:
        description = f"{description}\n\n{path.read_text()}"
    if missing:
        hints = " ".join(f"--set {name}=…" for name in missing)
        raise ValueError(f"the crew '{crew.name}' asks for {', '.join(missing)}: give {hints}")
    return description, inputs


def explain(error: Exception, file: Path) -> list[str]:
    """One line for each thing that is wrong, a configuration's as the API says it."""
    if isinstance(error, ValidationError):
        error = read_error(error, str(file))
    if isinstance(error, InvalidInput):
        return [f"{fault.field}: {fault.rule}" for fault in error.errors]
    return str(error).splitlines()


def rehearse(crew: Crew, description: str, inputs: dict[str, str], *, verbose: bool) -> Outcome:
    """Runs the crew as a worker does: in a directory of its own, gone after it."""
    with Workspace().open_for("local"):
        prepare_process()
        # Not before the process is prepared: crewai reads the environment at its import.
        from infra.local.run_knowledge import RunPieces
        from infra.local.run_memory import RunStorage
        from infra.local.run_questions import ask_on_terminal, end_unanswered
        from quarterdeck.execution.journal import Journal
        from quarterdeck.execution.journal_store import MemoryStore
        from quarterdeck.execution.run import run_crew
        from quarterdeck.execution.tool_proxies import make_proxies

        manifest = load_manifest_for(crew)
        with open_tools(manifest) as tools, end_unanswered() as unanswered:
            return run_crew(
                "local",
                crew,
                description,
                inputs,
                timeout=max(agent.timeout for agent in crew.agents),
                read_secret=read_secret,
                verbose=verbose,
                on_event=print_event,
                journal=Journal(MemoryStore(), ask=ask_on_terminal),
                tools=make_proxies(crew, manifest, tools.call),
                storage=RunStorage(),
                pieces=RunPieces(),
            )
        return unanswered[0]


def print_event(event: RunEvent) -> None:
    if isinstance(event, MemoryDegraded):
        print(f"  memory failed to {event.use}: {event.error.type}: {event.error.message}")
    elif isinstance(event, StepStarted):
        print(f"  {event.agent} starts '{event.step}'", flush=True)
    else:
        tokens, seconds = event.usage.total_tokens, event.duration_ms / 1000
        print(f"  {event.agent} ended '{event.step}': {tokens} tokens, {seconds:.1f} s", flush=True)


def format_outcome(outcome: Outcome) -> str:
    said = outcome.output if outcome.error is None else None
    error = outcome.error and f"{outcome.error.type}: {outcome.error.message}"
    usage = outcome.usage
    status = f"{outcome.status} (rehearsal)" if outcome.rehearsal else outcome.status
    cost = f"{usage.total_tokens} tokens in {usage.requests} calls"
    return f"\n{said or error}\n\n{status}: {cost}, {outcome.duration_ms / 1000:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
