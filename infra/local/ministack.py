"""MiniStack's pinned packages in an environment of their own, and a bare Python for functions."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from infra.local.failure import LocalRunFailed

ROOT = Path(__file__).resolve().parents[2]
STATE_DIR = ROOT / ".quarterdeck"
REQUIREMENTS = Path(__file__).with_name("ministack.txt")


class Pythons(NamedTuple):
    """Two interpreters of this Python's version: with MiniStack, and with no packages at all."""

    emulator: Path
    functions: Path


def install_ministack() -> Pythons:
    """Installs what is missing; raises LocalRunFailed."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = STATE_DIR / f"ministack-{digest}"
    pythons = Pythons(*(home / name / "bin" / "python" for name in Pythons._fields))
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = home / "installed"
        if not (installed.exists() and all(python.exists() for python in pythons)):
            for python in pythons:
                run_uv("venv", "-q", "--clear", "--python", sys.executable, str(python.parents[1]))
            run_uv(
                "pip", "install", "-q", "--python", str(pythons.emulator), "-r", str(REQUIREMENTS)
            )
            installed.touch()
    return pythons


def run_uv(*arguments: str) -> None:
    done = subprocess.run(
        [ROOT / ".ci" / "uv", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise LocalRunFailed(f"could not install {arguments[-1]}: {reason[-1].strip()}")
