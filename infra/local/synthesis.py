"""Synthesises the CDK app as a plain Python process: needs Node for jsii, and no npm package.

`python -m infra.local.synthesis ENVIRONMENT DIRECTORY` writes the assembly that is for AWS.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.command import run_command
from infra.local.failure import LocalRunFailed
from infra.local.ministack import ROOT

OLDEST_NODE = 20


def require_node() -> str:
    """The major version of the Node on PATH; raises LocalRunFailed if aws-cdk-lib needs another."""
    try:
        found = subprocess.run(
            ["node", "--version"], check=False, capture_output=True, text=True
        ).stdout
    except FileNotFoundError:
        raise LocalRunFailed(
            f"Node is missing: install Node {OLDEST_NODE} or later (https://nodejs.org)"
        ) from None
    major = re.match(r"v(\d+)\.", found)
    if not major or int(major[1]) < OLDEST_NODE:
        raise LocalRunFailed(
            f"Node {found.strip() or 'on PATH'} is too old: install {OLDEST_NODE} or later"
        )
    return major[1]


def synthesise(assembly: Path, context: Mapping[str, str]) -> None:
    """Writes the app's assembly for this context; raises LocalRunFailed."""
    node = require_node()
    shared = json.loads((ROOT / "cdk.json").read_text()).get("context", {})
    # jsii unpacks itself into TMPDIR, and leaves it there when it is interrupted.
    with TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "infra.app"],
            check=False,
            cwd=ROOT,
            env={
                **os.environ,
                "CDK_OUTDIR": str(assembly.absolute()),
                "CDK_CONTEXT_JSON": json.dumps({**shared, **context}),
                # jsii frames its opinion of the Node in 11 lines, for these major versions not.
                "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": node,
                "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": node,
                "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": node,
                "TMPDIR": scratch,
            },
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise LocalRunFailed(f"the app does not synthesise: {pick_reason(done.stderr)}")


def pick_reason(stderr: str) -> str:
    """What the app says of its input, or the last line of a traceback."""
    lines = stderr.strip().splitlines() or ["it said nothing"]
    return lines[-1] if "Traceback (most recent call last):" in lines else "\n".join(lines)


def main() -> None:
    name, directory = sys.argv[1:]
    synthesise(Path(directory), {"environment": name})
    print(f"quarterdeck: the assembly of {name} is in {directory}")


if __name__ == "__main__":
    sys.exit(run_command(main))
