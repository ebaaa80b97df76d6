"""What the commands of the local run share: a stage with its time, and an end in one line."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.local.failure import LocalRunFailed

INTERRUPTED = 130


def run_command(act: Callable[[], None]) -> int:
    """The exit code. SIGTERM unwinds the command as Ctrl-C does, so that it cleans up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        act()
    except LocalRunFailed as failure:
        print(f"quarterdeck: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nquarterdeck: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


@contextmanager
def show_stage(title: str) -> Iterator[None]:
    """A line with the title while the block runs, and how long it took."""
    print(f"  {title:<52}", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print("stopped", flush=True)
        raise
    print(f"{time.monotonic() - started:6.1f} s", flush=True)
