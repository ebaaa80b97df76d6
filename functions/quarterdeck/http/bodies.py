"""Request bodies: JSON of at most a megabyte, whatever the header says of them."""

import base64
import json
from typing import Any

from quarterdeck.errors import FieldError, InvalidInput, TooLarge

MAX_BODY_BYTES = 1024 * 1024


def read_body(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its body as text; TooLarge, or InvalidInput for what nothing takes."""
    sent = event.get("body") or ""
    content = base64.b64decode(sent) if event.get("isBase64Encoded") else sent.encode()
    if len(content) > MAX_BODY_BYTES:
        rule = f"is over {MAX_BODY_BYTES} bytes"
        raise TooLarge(f"body: {rule}", [FieldError("body", rule)])
    if content:
        check_json(content)
    # `curl --data` declares a form.
    headers = event.get("headers", {}) | {"content-type": "application/json"}
    return {"body": content.decode() or None, "isBase64Encoded": False, "headers": headers}


def check_json(content: bytes) -> None:
    try:
        # Half of a surrogate pair can be escaped in JSON, and be stored nowhere.
        sent = json.loads(content.decode())
        json.dumps(sent, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise refuse_body(f"is not valid JSON: {error.msg} at character {error.pos}") from None
    except UnicodeError:
        raise refuse_body("is not valid UTF-8, or has half of a surrogate pair") from None
    except RecursionError:
        raise refuse_body("is nested too deeply") from None
    except ValueError:
        raise refuse_body("has a number of too many digits") from None
    # Powertools takes the first entry of a list for the whole.
    if isinstance(sent, list):
        raise refuse_body("must be an object, and is a list")


def refuse_body(rule: str) -> InvalidInput:
    return InvalidInput([FieldError("body", rule)])
