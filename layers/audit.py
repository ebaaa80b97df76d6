"""`make audit`: whether a vulnerability is known of what the layers are made of. Asks PyPI."""

import subprocess
import sys

from layers.build import BUILD
from layers.layer import LAYERS
from layers.packages import UV, export_requirements
from layers.programs import BuildError

PIP_AUDIT = "pip-audit==2.10.1"


def list_shipped() -> str:
    """The requirements of all layers, with hashes, each package once."""
    return "".join(export_requirements(layer, left_out) for layer, left_out in LAYERS.items())


def main() -> int:
    """pip-audit's exit code: 1 too if it could not learn of a package."""
    requirements = BUILD / "audit.txt"
    try:
        requirements.parent.mkdir(exist_ok=True)
        requirements.write_text(list_shipped(), encoding="utf-8")
    except BuildError as error:
        print(f"layers: {error}", file=sys.stderr)
        return 1
    audit = ["--strict", "--disable-pip", "--require-hashes", "--requirement", str(requirements)]
    command = [UV, "tool", "run", "--quiet", "--from", PIP_AUDIT, "pip-audit", *audit]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
