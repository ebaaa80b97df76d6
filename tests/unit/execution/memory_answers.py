"""What a model says when memory asks it, for crews of tests whose statements are all alike."""

import json
import re
from typing import Any

from tests.openai_server import Body, Message


def answer_memory(body: Body) -> Message:
    """Draws two statements; of what is like a new one, the first is changed, the second deleted."""
    asked = body["messages"][-1]["content"]
    known = re.findall(r"^- id=(\S+)", asked, re.MULTILINE)
    changes = [("update", "Salt comes with rivers."), ("delete", None)]
    actions = [
        {"action": action, "record_id": record_id, "new_content": content, "reason": "known"}
        for record_id, (action, content) in zip(known, changes, strict=False)
    ]
    answers: dict[str, dict[str, Any]] = {
        "QueryAnalysis": {
            "keywords": [], "suggested_scopes": [], "complexity": "simple",
            "recall_queries": ["rivers carry salt slowly"], "time_filter": None,
        },
        "ExtractedMemories": {
            "memories": [f"Rivers carry salt to the sea, {word}." for word in ("slowly", "always")]
        },
        "MemoryAnalysis": {
            "suggested_scope": "/sea", "categories": ["salt"], "importance": 0.5,
            "extracted_metadata": {"entities": [], "dates": [], "topics": []},
        },
        "ConsolidationPlan": {
            "actions": actions, "insert_new": True, "insert_reason": "new",
        },
    }  # fmt: skip
    name = body["response_format"]["json_schema"]["name"]
    return {"role": "assistant", "content": json.dumps(answers[name])}
