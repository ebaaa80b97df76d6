"""Records and their lines. A record knows neither its system nor its generation."""

import base64
import json
from typing import Any, NamedTuple

from quarterdeck.backups.archive.layout import Part

FIELDS = {"part", "pk", "sk", "item"}
BINARY_MARKS = (b'{"B":"', b'{"BS":[')


class Record(NamedTuple):
    """An item as DynamoDB-JSON; `pk` is what follows the scope's prefix."""

    part: Part
    pk: str
    sk: str
    item: dict[str, Any]


class RecordInvalid(ValueError):
    """The line is not a record; says why."""


def encode_record(record: Record) -> bytes:
    """One line, with its end. Binary values become base64."""
    fields = record._asdict()
    text = FAST_ENCODER.encode(fields)
    if text.count("\\u") > len(text) // SEVERAL:
        text = ENCODER.encode(fields)
    return text.encode() + b"\n"


def decode_record(line: bytes, part: Part) -> Record:
    decoder = BINARY_DECODER if any(mark in line for mark in BINARY_MARKS) else DECODER
    try:
        value = decoder.decode(line.decode())
    except (ValueError, TypeError) as error:
        raise RecordInvalid(f"a line is not JSON, or a binary value not base64: {error}") from None
    if not isinstance(value, dict) or value.keys() != FIELDS:
        raise RecordInvalid(f"a record has {', '.join(sorted(FIELDS))}, and nothing else")
    if value["part"] != part:
        raise RecordInvalid(f"a record is of another part than {part}")
    if not (isinstance(value["pk"], str) and isinstance(value["sk"], str)):
        raise RecordInvalid("pk and sk of a record are text")
    if not isinstance(value["item"], dict):
        raise RecordInvalid("the item of a record is an object")
    return Record(part, value["pk"], value["sk"], value["item"])


def encode_binary(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is not a value of DynamoDB-JSON")


def decode_binary(value: dict[str, Any]) -> dict[str, Any]:
    """A binary value with its bytes. An attribute called `B` is none: it holds an object."""
    match value:
        case {"B": str(text)} if len(value) == 1:
            return {"B": base64.b64decode(text, validate=True)}
        case {"BS": list(texts)} if len(value) == 1:
            return {"BS": [base64.b64decode(text, validate=True) for text in texts]}
    return value


ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), default=encode_binary
)
FAST_ENCODER = json.JSONEncoder(check_circular=False, separators=(",", ":"), default=encode_binary)
"""Takes half the time, and six bytes for a character that is not ASCII."""
SEVERAL = 100
DECODER = json.JSONDecoder()
BINARY_DECODER = json.JSONDecoder(object_hook=decode_binary)
