"""What DynamoDB does with one item: expressions, limits, sizes. Items are in its own JSON.

Understands the expressions that `quarterdeck.table` spells and refuses all others;
`tests/table_conformance.py` holds it to a server.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError

from tests.table_indexes import INDEXES

type Value = dict[str, Any]
type Record = dict[str, Value]
type Request = Mapping[str, Any]

KEY_BYTES = {"pk": 2048, "sk": 1024}
INDEX_KEYS = frozenset(name for index in INDEXES.values() for name in index.keys)
ITEM_BYTES = 400 * 1024
EXACT = Context(prec=300)
PLACEHOLDER = re.compile("#[A-Za-z0-9_]+")
CLAUSE = re.compile(r"(?:^| )(SET|ADD|REMOVE) ")
EXISTS = re.compile(r"attribute_(not_)?exists\((\S+)\)")
COMPARES = re.compile(r"(\S+) (=|<|<=) (\S+)")


class Invalid(ClientError):
    """The request is refused whatever the table holds."""

    def __init__(self, message: str, operation: str = "Write") -> None:
        error = {"Code": "ValidationException", "Message": message}
        super().__init__({"Error": error}, operation)  # type: ignore[typeddict-item]


class Misfit(Exception):
    """The item would be too large, or not one for an index. Said before conditions are tried."""


class WrongOperand(Exception):
    """What the item holds is nothing to add to. Said after conditions are tried."""


def normalize(value: Value) -> Value:
    """The value as it is stored: numbers in plain digits."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            plain = content.isdecimal() and len(content) < 38
            return value if plain else {"N": normalize_number(Decimal(content))}
        case "M":
            return {"M": normalize_item(content)}
        case "L":
            return {"L": [normalize(inner) for inner in content]}
    return value


def normalize_item(item: Record) -> Record:
    return {name: normalize(value) for name, value in item.items()}


def normalize_number(number: Decimal) -> str:
    if not number.is_finite():
        raise Invalid("The parameter cannot be converted to a numeric value")
    if not number:
        return "0"
    number = number.normalize(EXACT)
    if len(number.as_tuple().digits) > 38 or not -130 <= number.adjusted() <= 125:
        raise Invalid("Number overflow, underflow, or more than 38 significant digits")
    return f"{number:f}"


def spell(request: Request, word: str) -> str:
    """The attribute that an operand names."""
    return str(request["ExpressionAttributeNames"][word]) if word.startswith("#") else word


def read_value(request: Request, word: str) -> Value:
    return normalize(request["ExpressionAttributeValues"][word])


def holds(request: Request, item: Record | None) -> bool:
    """Whether the request's condition holds for the item, or for none."""
    condition = request.get("ConditionExpression")
    return condition is None or all(
        test(request, clause, item or {}) for clause in condition.split(" AND ")
    )


def test(request: Request, clause: str, item: Record) -> bool:
    if found := EXISTS.fullmatch(clause):
        return (spell(request, found[2]) in item) != bool(found[1])
    found = COMPARES.fullmatch(clause)
    assert found, clause
    left, right = (read_operand(request, word, item) for word in (found[1], found[3]))
    if left is None or right is None:
        return False
    equal = left == right
    match found[2]:
        case "=":
            return equal
        case "<":
            return is_less(left, right)
    return is_less(left, right) or (equal and left.keys() & {"S", "N"} != set())


def read_operand(request: Request, word: str, item: Record) -> Value | None:
    return read_value(request, word) if word[0] == ":" else item.get(spell(request, word))


def is_less(left: Value, right: Value) -> bool:
    if left.keys() != right.keys() or left.keys() & {"S", "N"} == set():
        return False
    ((kind, one),) = left.items()
    other = right[kind]
    return bool(Decimal(one) < Decimal(other) if kind == "N" else one < other)


@lru_cache(maxsize=1024)
def parse_update(expression: str) -> list[tuple[str, list[str]]]:
    """(verb, operands) of each action."""
    _, *clauses = CLAUSE.split(expression)
    return [
        (verb, action.replace(" = ", " ").split(" "))
        for verb, actions in zip(clauses[::2], clauses[1::2], strict=True)
        for action in actions.split(", ")
    ]


def read_update(request: Request) -> Iterator[tuple[str, str, Value | None]]:
    """(verb, attribute, value) of each action."""
    for verb, (name, *values) in parse_update(request["UpdateExpression"]):
        yield verb, spell(request, name), read_value(request, values[0]) if values else None


def update_item(request: Request, item: Record | None) -> Record:
    """The item after the update; Misfit or WrongOperand if there can be none."""
    changed = dict(item if item is not None else request["Key"])
    for verb, name, value in read_update(request):
        if value is None:
            changed.pop(name, None)
        elif verb == "SET":
            changed[name] = value
        else:
            changed[name] = add(changed.get(name, {"N": "0"}), value)
    check_index_types(changed)
    if not is_small(changed) and measure_item(changed) > ITEM_BYTES:
        raise Misfit("Item size to update has exceeded the maximum allowed size")
    return changed


def add(present: Value, more: Value) -> Value:
    if "N" not in present:
        raise WrongOperand("An operand in the update expression has an incorrect data type")
    return {"N": normalize_number(EXACT.add(Decimal(present["N"]), Decimal(more["N"])))}


def check_index_types(item: Record) -> None:
    for name in INDEX_KEYS & item.keys():
        if "S" not in item[name]:
            raise Misfit(f"Type mismatch for Index Key {name}")


def check_write(verb: str, request: Request) -> None:
    """Raises Invalid for what no item would allow."""
    check_key(request["Item"] if verb == "Put" else request["Key"])
    for placeholder in request.get("ExpressionAttributeNames", ()):
        if not PLACEHOLDER.fullmatch(placeholder):
            raise Invalid(f"ExpressionAttributeNames contains invalid key: {placeholder}")
    if verb == "Put":
        item = normalize_item(request["Item"])
        check_index_values(item)
        if not is_small(item) and measure_item(item) > ITEM_BYTES:
            raise Invalid("Item size has exceeded the maximum allowed size")
    if verb == "Update":
        check_update(request)


def check_key(item: Record) -> None:
    for name, limit in KEY_BYTES.items():
        text = item[name].get("S")
        if not text:
            raise Invalid(f"One or more parameter values are not valid: {name}")
        if len(text.encode()) > limit:
            raise Invalid(f"The size of {name} has exceeded {limit} bytes")


def check_update(request: Request) -> None:
    actions = list(read_update(request))
    names = [name for _, name, _ in actions]
    if not names:
        raise Invalid("Invalid UpdateExpression: The expression can not be empty")
    if len(set(names)) < len(names):
        raise Invalid("Invalid UpdateExpression: Two document paths overlap with each other")
    if KEY_BYTES.keys() & set(names):
        raise Invalid("Cannot update attribute: This attribute is part of the key")
    if any(verb == "ADD" and "N" not in (value or {}) for verb, _, value in actions):
        raise Invalid("Invalid UpdateExpression: Incorrect operand type for operator ADD")
    check_index_values({name: value for _, name, value in actions if value})


def check_index_values(item: Record) -> None:
    for name in INDEX_KEYS & item.keys():
        if item[name] == {"S": ""}:
            raise Invalid(f"The AttributeValue for a key attribute cannot be empty: {name}")


def is_small(item: Mapping[str, Any]) -> bool:
    """Whether there is no need to measure: a character has at most four bytes."""
    return len(str(item)) < ITEM_BYTES // 4


def measure_item(item: Record) -> int:
    """Bytes, as DynamoDB counts them."""
    return sum(len(name.encode()) + measure(value) for name, value in item.items())


def measure(value: Value) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return measure_number(content)
        case "L":
            return 3 + sum(1 + measure(inner) for inner in content)
        case "M":
            return 3 + len(content) + measure_item(content)
    return 1


def measure_number(text: str) -> int:
    """A byte, one more if negative, and one for each two digits on each side of the point."""
    whole, _, fraction = text.lstrip("-").partition(".")
    pairs = re.findall("..", whole.rjust(len(whole) + len(whole) % 2, "0"))
    pairs += re.findall("..", fraction.ljust(len(fraction) + len(fraction) % 2, "0"))
    filled = [number for number, pair in enumerate(pairs) if pair != "00"] or [0, -1]
    return 1 + filled[-1] - filled[0] + 1 + text.startswith("-")
