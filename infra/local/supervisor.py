"""Keeps MiniStack in a process group and a TMPDIR of its own, and ends both however the run ends.

A script for MiniStack's own Python: `supervisor.py WORKDIR LAMBDA_PYTHON owned|kept`, with the
emulator's settings in the environment. `owned` ends when stdin closes, so also when its starter is
killed; `kept` goes on until a signal.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from types import FrameType

PATIENCE_S = 4.0
ALIVE = "supervisor.lock"
"""In the workdir: locked for as long as the supervisor lives."""
# Functions run under `sys.executable`: a bare Python there gives them what Lambda gives, which is
# their layers, their code and the standard library, and nothing of MiniStack's environment.
# `sys.path` gets unpacking.py's directory, at its end.
LAUNCH = """
import sys
sys.executable = sys.argv.pop()
sys.path.append(sys.argv.pop())
from unpacking import share_unpacked
share_unpacked()
from ministack.app import main
main()
"""


class Stopped(Exception):
    """A signal asked to end."""


def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def wait_for_end(emulator: subprocess.Popen[bytes], owned: bool) -> None:
    """Returns when the emulator has exited or, if owned, its starter is gone."""
    while emulator.poll() is None:
        if not owned:
            time.sleep(0.2)
        elif select.select([sys.stdin], [], [], 0.2)[0]:
            return


def end_group(leader: subprocess.Popen[bytes]) -> None:
    """TERM to every process of the group, KILL to what is left: functions outlive MiniStack."""
    for deadline_s, ending in ((PATIENCE_S, signal.SIGTERM), (1.0, signal.SIGKILL)):
        give_up = time.monotonic() + deadline_s
        try:
            os.killpg(leader.pid, ending)
            while time.monotonic() < give_up:
                reap_group(leader.pid)
                os.killpg(leader.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return


def adopt_orphans() -> None:
    """Functions whose parent died become ours to reap: a container's process 1 may not do it."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def reap_group(group: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass


def supervise(workdir: str, lambda_python: str, owned: bool) -> None:
    endings = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for ending in endings:
        signal.signal(ending, ask_to_stop)
    adopt_orphans()
    alive = open(os.path.join(workdir, ALIVE), "wb")  # noqa: SIM115
    fcntl.flock(alive, fcntl.LOCK_EX)
    emulator = None
    try:
        emulator = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, os.path.dirname(__file__), lambda_python],
            env={**os.environ, "TMPDIR": workdir, "HOME": workdir},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for_end(emulator, owned)
    except Stopped:
        pass
    finally:
        for ending in endings:
            signal.signal(ending, signal.SIG_IGN)
        if emulator:
            end_group(emulator)
        shutil.rmtree(workdir, ignore_errors=True)


if __name__ == "__main__":
    supervise(sys.argv[1], sys.argv[2], owned=sys.argv[3] == "owned")
