"""What shapes the calls of a crew: if it changes, recorded calls may not be asked again."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

FUNCTIONS = Path(__file__).parents[2]


@cache
def fingerprint_code() -> str:
    """Of our code, the team's tools and crewai's version."""
    found = hashlib.sha256(version("crewai").encode())
    for file in sorted(FUNCTIONS.rglob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
