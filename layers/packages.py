"""Installs what uv.lock says for a layer, with the wheels of a platform of Lambda."""

import re
import sys
from functools import cache
from pathlib import Path
from typing import Literal

from layers.programs import ROOT, run_program

type Platform = Literal["x86_64", "arm64"]

UV = str(ROOT / ".ci" / "uv")

# Lambda's python3.13 is Amazon Linux 2023, with glibc 2.34.
UV_PLATFORMS: dict[Platform, str] = {
    "x86_64": "x86_64-manylinux_2_28",
    "arm64": "aarch64-manylinux_2_28",
}


@cache
def export_requirements(group: str, left_out: tuple[str, ...] = ()) -> str:
    """What uv.lock pins for a dependency group, with hashes, less what the groups left out have."""
    return export_group(group, left_out, "--no-header", "--no-annotate")


def export_group(group: str, left_out: tuple[str, ...], *form: str) -> str:
    """What uv.lock has for a dependency group, less what the groups left out have, in a form."""
    excluded = [name for other in left_out for name in list_packages(export_requirements(other))]
    return run_program(
        [UV, "export", "--frozen", "--only-group", group, *form]
        + [f"--no-emit-package={name}" for name in excluded],
        f"uv could not read the group {group} from uv.lock",
    )


def list_packages(requirements: str) -> list[str]:
    """The names in exported requirements."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", requirements, re.MULTILINE)


def install_packages(requirements: str, platform: Platform, site: Path) -> None:
    """Puts the wheels of the requirements, checked against their hashes, into `site`."""
    run_program(
        [
            *(UV, "pip", "install", "--quiet", "--target", str(site), "--requirements", "-"),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
            *("--link-mode", "copy", "--no-installer-metadata"),
            *("--python", sys.executable, "--python-version", "3.13"),
            *("--python-platform", UV_PLATFORMS[platform]),
        ],
        f"uv could not install the packages for {platform}",
        stdin=requirements,
    )
