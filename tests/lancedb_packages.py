"""LanceDB in a directory of its own: for what compares our storage with crewai's on it."""

import fcntl
import hashlib
import sys
from pathlib import Path

from infra.local.ministack import STATE_DIR, run_uv

REQUIREMENTS = Path(__file__).with_name("lancedb.txt")
"""All that it needs beside what is installed here: some 350 MB."""


def install_lancedb() -> Path:
    """Installs it if it is missing, and gives the directory to add to `sys.path`."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = STATE_DIR / f"lancedb-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    packages, installed = home / "packages", home / "installed"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            target = ("--python", sys.executable, "--target", str(packages))
            # This project's configuration leaves lancedb out of all that uv installs.
            run_uv(
                "pip", "install", "-q", "--no-config", "--no-deps", *target, "-r", str(REQUIREMENTS)
            )
            installed.touch()
    return packages


def add_lancedb() -> None:
    """Makes it importable in this process; what is installed here goes before."""
    packages = str(install_lancedb())
    if packages not in sys.path:
        sys.path.append(packages)
