"""`make bootstrap`, `deploy`, `diff`, `destroy`: the AWS CDK's own program on an assembly.

`python -m infra.cdk ACTION ENVIRONMENT ASSEMBLY [REPORT]`; REPORT gets a diff in Markdown.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.account import open_session
from infra.environment import InvalidEnvironmentError, Target, load_target
from infra.local.command import run_command
from infra.local.failure import LocalRunFailed
from infra.local.synthesis import require_node

# The package bundles what it needs, so that this one version is all that runs.
CLI = "aws-cdk@2.1148.1"
# GitHub takes comments of 65,536.
REPORT_CHARACTERS = 60_000
OPTIONS: dict[str, tuple[str, ...]] = {
    "bootstrap": (),
    "deploy": ("--all", "--require-approval", "never"),
    # Reads templates with the lookup role, which changes nothing; a change set needs another.
    "diff": ("--method", "template"),
    "destroy": ("--all",),
}


def make_arguments(action: str, assembly: Path, *, attended: bool) -> list[str]:
    """What the CDK is called with; it asks before it destroys only where someone can answer."""
    unasked = ("--force",) if action == "destroy" and not attended else ()
    return [action, *OPTIONS[action], *unasked, "--app", str(assembly), "--no-notices"]


def check_action(action: str, target: Target, assembly: Path) -> None:
    """Raises LocalRunFailed where the CDK would fail late, or leave half of it."""
    if not (assembly / "manifest.json").is_file():
        raise LocalRunFailed(f"{assembly} holds no assembly: make synth ENV={target.name}")
    expected = f"Quarterdeck-{target.name}-Service"
    if not list(assembly.glob(f"{expected}.template.json")):
        raise LocalRunFailed(f"{assembly} is not of {target.name}: it has no stack {expected}")
    if action == "destroy" and target.environment.deletion_protection:
        raise LocalRunFailed(
            f"{target.name} has deletion_protection: take it out of its settings and deploy first"
        )


def find_account() -> str:
    """`ACCOUNT in REGION` of the credentials; raises LocalRunFailed when nothing can be done."""
    session = open_session()
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise LocalRunFailed(f"AWS does not know you: {error}") from None
    return f"{account} in {session.region_name}"


def run_cdk(arguments: Sequence[str]) -> list[str]:
    """What the CDK said, shown as it came; raises LocalRunFailed with its reason."""
    require_node()
    npx = shutil.which("npx")
    if npx is None:
        raise LocalRunFailed("npx is missing: install npm, which comes with Node")
    said: list[str] = []
    with subprocess.Popen(
        [npx, "--yes", CLI, *arguments],
        env={**os.environ, "CDK_DISABLE_CLI_TELEMETRY": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        for line in process.stdout:
            print(line, end="", flush=True)  # noqa: T201 - a command
            said.append(line.rstrip())
    if process.returncode:
        raise LocalRunFailed(f"cdk {arguments[0]}: {pick_failure(said)}")
    return said


def pick_failure(said: Sequence[str]) -> str:
    """The line with the reason: what the CDK marks as failed, else its last word."""
    lines = [line.strip() for line in said if line.strip()] or ["it said nothing"]
    marked = [line for line in lines if "❌" in line or "error:" in line.lower()]
    return (marked or lines)[-1].removeprefix("❌").strip()


def make_report(name: str, said: Sequence[str]) -> str:
    """Markdown of what a diff says of the stacks, without what npm and Node say before."""
    stacks = "\n".join(dropwhile(lambda line: not line.startswith("Stack "), said)).strip()
    if len(stacks) > REPORT_CHARACTERS:
        stacks = f"{stacks[:REPORT_CHARACTERS]}\n… cut here: make diff ENV={name} has all of it"
    return f"What this changes in {name}:\n\n~~~~\n{stacks}\n~~~~\n"


def main() -> None:
    action, name, assembly, *report = sys.argv[1:]
    try:
        target = load_target(name)
    except InvalidEnvironmentError as error:
        raise LocalRunFailed(str(error)) from None
    check_action(action, target, Path(assembly))
    account = find_account()
    print(f"quarterdeck: {action} {name}, account {account}", flush=True)  # noqa: T201 - a command
    said = run_cdk(make_arguments(action, Path(assembly), attended=sys.stdin.isatty()))
    for path in report:
        Path(path).write_text(make_report(name, said), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_command(main))
