"""Three lines for a shell that deploy a crew system, run a task and read it."""

import shlex
from pathlib import Path

CURL = r"curl -s -w '\n'"


def make_curl_lines(url: str, key: str, configuration: Path, task: Path) -> list[str]:
    """Each works as it is after the one before: ids go on in the shell's SYSTEM and TASK."""
    authorized = f"-H {shlex.quote(f'Authorization: Bearer {key}')}"
    posting = f"{authorized} -H 'Content-Type: application/json' -H 'Prefer: wait=10'"
    crews = f"{shlex.quote(url)}/crews"
    return [
        f"SYSTEM=$({CURL} {crews} {posting} --data-binary {quote_file(configuration)}"
        f" | {show_and_take('system_id')})",
        f'TASK=$({CURL} {crews}/"$SYSTEM"/tasks {posting} --data-binary {quote_file(task)}'
        f" | {show_and_take('task_id')})",
        f'{CURL} {crews}/"$SYSTEM"/tasks/"$TASK" {authorized}',
    ]


def quote_file(path: Path) -> str:
    return shlex.quote(f"@{path}")


def show_and_take(field: str) -> str:
    """A filter that shows the whole answer on stderr and leaves the field's value on stdout."""
    return rf"""tee /dev/stderr | sed 's/.*"{field}": *"\([^"]*\)".*/\1/'"""
