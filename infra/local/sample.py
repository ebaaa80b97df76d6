"""The crew system and the task of the demo: what ships with the project, as the API takes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.local.ministack import ROOT

CONFIGURATION = ROOT / "functions" / "crews" / "research-desk.yaml"
DOCUMENT = Path(__file__).with_name("lighthouses.md")
REQUEST = (
    "How does the light of a small lamp reach a ship at the horizon, and how does the ship know "
    "which lighthouse it sees?"
)


def load_configuration() -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    return configuration


def make_task(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A request to the system's first crew about the text of several pages beside this file."""
    return {
        "description": REQUEST,
        "crew_name": configuration["crews"][0]["name"],
        "inputs": {"document": DOCUMENT.read_text(encoding="utf-8")},
    }
