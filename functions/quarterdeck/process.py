"""The process that crewai runs in. Imports nothing of crewai, which reads this at its import."""

import logging
import os
from pathlib import Path

LAMBDA_HOME = Path("/tmp/home")  # noqa: S108 (the one place that a function may write to)

TELEMETRY_OFF = {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true"}
DEFAULTS = {
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_STORAGE_DIR": "crewai",
    "CREWAI_TRACING_ENABLED": "false",
}


def prepare_process() -> None:
    """Sets HOME and crewai's variables; to be called before crewai is imported, once or more."""
    if not is_writable(os.environ.get("HOME")):
        LAMBDA_HOME.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(LAMBDA_HOME)
    os.environ.update(TELEMETRY_OFF)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not logging.root.handlers:
        # crewai logs by `logging.info`, which would give the root logger a handler that prints
        # every line of ours once more.
        logging.root.addHandler(logging.NullHandler())


def is_writable(home: str | None) -> bool:
    """Whether crewai can make its directories under this HOME."""
    return home is not None and Path(home).is_dir() and os.access(home, os.W_OK)
