"""What a warm worker keeps between tasks: nothing of them, and not for ever."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_TASKS = 500
MAX_MEMORY_SHARE = 0.8


class Workspace:
    """Each task has a directory of its own, for TMPDIR and for crewai's files, gone after it.

    `memory_mb` is what the function has; None: not limited.
    """

    def __init__(self, memory_mb: int | None = None) -> None:
        self.memory_mb = memory_mb
        self.served = 0

    @contextmanager
    def open_for(self, task_id: str) -> Iterator[Path]:
        kept = {name: os.environ.get(name) for name in ("TMPDIR", "CREWAI_STORAGE_DIR")}
        directory = Path(tempfile.mkdtemp(prefix=f"{task_id}-"))
        os.environ |= {"TMPDIR": str(directory), "CREWAI_STORAGE_DIR": str(directory / "crewai")}
        tempfile.tempdir = None  # read again from TMPDIR
        try:
            yield directory
        finally:
            self.served += 1
            for name, value in kept.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
            tempfile.tempdir = None
            shutil.rmtree(directory, ignore_errors=True)

    def is_worn_out(self) -> bool:
        """Whether the process is to be replaced: after 500 tasks, or at 80 % of its memory."""
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        full = self.memory_mb is not None and peak_mb > MAX_MEMORY_SHARE * self.memory_mb
        return full or self.served >= MAX_TASKS
