"""The environment that `make up` left running, as `make down` and a second `make up` find it."""

import json
from dataclasses import asdict
from pathlib import Path

from infra.local.emulator import Emulator, is_running
from infra.local.ministack import STATE_DIR

STATE = STATE_DIR / "up.json"
NOTICE = STATE_DIR / "up.txt"
"""What `make up` told about it: address, key, first calls."""
LOG = STATE_DIR / "up.log"


def record_standing(emulator: Emulator) -> None:
    STATE.write_text(json.dumps({**asdict(emulator), "workdir": str(emulator.workdir)}))


def find_standing() -> Emulator | None:
    """The emulator that runs in the background, if one does."""
    if not STATE.exists():
        return None
    state = json.loads(STATE.read_text())
    emulator = Emulator(**{**state, "workdir": Path(state["workdir"])})
    return emulator if is_running(emulator) else None


def forget_standing() -> None:
    STATE.unlink(missing_ok=True)
    NOTICE.unlink(missing_ok=True)
