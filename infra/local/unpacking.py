"""Has MiniStack unpack an archive once, not for each process of a function.

A script's part, in MiniStack's own Python. What functions share is theirs to read alone, as on
Lambda. Unpacking takes MiniStack seconds for each process, in which it answers slowly, and leaves
11,000 files.
"""

import hashlib
import os
import tempfile
import threading
import zipfile
from types import SimpleNamespace
from typing import Self

LOCK = threading.Lock()


class SharedZip:
    """What MiniStack asks of a ZipFile."""

    def __init__(self, archive: str) -> None:
        self.archive = archive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def namelist(self) -> list[str]:
        """None for who looks for names that lead out: zipfile lets none out itself."""
        return []

    def extractall(self, directory: str) -> None:
        """Makes the directory, which is empty, a link to what was unpacked before."""
        with open(self.archive, "rb") as archive:
            digest = hashlib.file_digest(archive, "sha256").hexdigest()
        shared = os.path.join(tempfile.gettempdir(), "unpacked", digest)
        with LOCK:
            if not os.path.exists(shared):
                with zipfile.ZipFile(self.archive) as opened:
                    opened.extractall(f"{shared}.part")
                os.rename(f"{shared}.part", shared)
        os.rmdir(directory)
        os.symlink(shared, directory)


def share_unpacked() -> None:
    """Before MiniStack starts."""
    from ministack.core import lambda_runtime  # type: ignore[import-not-found]

    names = {name: getattr(zipfile, name) for name in zipfile.__all__}
    lambda_runtime.zipfile = SimpleNamespace(**names | {"ZipFile": SharedZip})
