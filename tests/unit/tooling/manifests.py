"""Tools as a manifest describes them."""

from typing import Any

from quarterdeck.tooling.manifest import Tool


def describe(name: str, **change: Any) -> Tool:
    return Tool.model_validate(
        {
            "name": name,
            "description": "x",
            "arguments": {},
            "has_effect": True,
            "in_doubt": "fail",
            "timeout": 2,
            "secrets": ("search",),
            "result_as_answer": False,
            "max_usage_count": None,
        }
        | change
    )
