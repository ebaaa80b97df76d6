"""Running the programs that building needs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


class BuildError(Exception):
    """Something could not be built: one line for the person who builds."""


def run_program(
    command: Sequence[str],
    failure: str,
    *,
    directory: Path = ROOT,
    stdin: str = "",
    variables: Mapping[str, str] | None = None,
) -> str:
    """What the command prints, run in a directory; else a BuildError says why."""
    finished = subprocess.run(
        command,
        cwd=directory,
        input=stdin,
        env=os.environ | (variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise BuildError(f"{failure}: {summarize_output(finished.stderr or finished.stdout)}")
    return finished.stdout


def summarize_output(text: str) -> str:
    """What a failed program said, on one line: its first line, and its last, where the cause is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys(lines[:1] + lines[-1:])) or "it said nothing"
