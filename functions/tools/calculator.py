"""Arithmetic, for agents that would guess at it."""

import ast
import math
import operator
from collections.abc import Callable, Mapping

from crewai.tools import BaseTool
from pydantic import BaseModel, Field

from quarterdeck.tooling.policy import Policy

POLICY = Policy(has_effect=False, timeout=10)

LONGEST_EXPRESSION = 500
MAX_DEPTH = 50
MAX_BITS = 4096
"""Of a whole number: one of over a thousand digits helps nobody."""
MAX_DIGITS = 300

type Number = int | float

OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
FUNCTIONS: Mapping[str, Callable[..., Number]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "ln": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": lambda value, digits=0: round_number(value, digits),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
CONSTANTS: Mapping[str, Number] = {"pi": math.pi, "e": math.e}


class ExpressionInvalid(ValueError):
    """Its text says what cannot be calculated."""


class CalculatorArguments(BaseModel):
    expression: str = Field(
        description="Such as (19.5 + 3) * 2**10 / sqrt(2)", min_length=1,
        max_length=LONGEST_EXPRESSION,
    )  # fmt: skip


class Calculator(BaseTool):
    name: str = "calculator"
    description: str = (
        "Calculates an arithmetic expression: + - * / // % ** and parentheses, pi and e, "
        f"and the functions {', '.join(FUNCTIONS)}."
    )
    args_schema: type[BaseModel] = CalculatorArguments

    def _run(self, expression: str) -> str:
        return spell_number(calculate(expression))


def calculate(expression: str) -> Number:
    """ExpressionInvalid says what is wrong with it."""
    try:
        tree = ast.parse(" ".join(expression.split()), mode="eval")
        return evaluate(tree.body, MAX_DEPTH)
    except (SyntaxError, MemoryError, RecursionError):
        raise ExpressionInvalid(f"'{expression}' is not an arithmetic expression") from None
    except ZeroDivisionError:
        raise ExpressionInvalid("a division by zero") from None
    except OverflowError:
        raise ExpressionInvalid("the result is too large") from None


def evaluate(node: ast.expr, depth: int) -> Number:
    if not depth:
        raise ExpressionInvalid(f"the expression is nested more than {MAX_DEPTH} deep")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            result: Number = value
        case ast.Name(id=name) if name in CONSTANTS:
            result = CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = evaluate(operand, depth - 1)
            result = -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            result = raise_power(evaluate(left, depth - 1), evaluate(right, depth - 1))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            result = OPERATORS[type(sign)](evaluate(left, depth - 1), evaluate(right, depth - 1))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            result = call_function(name, [evaluate(each, depth - 1) for each in args])
        case _:
            raise ExpressionInvalid(f"'{ast.unparse(node)}' is not arithmetic that is known here")
    return check_size(result)


def raise_power(base: Number, exponent: Number) -> Number:
    """The bits of a power of whole numbers are bounded before it is made."""
    if isinstance(base, int) and isinstance(exponent, int):
        if (base.bit_length() - 1) * abs(exponent) > MAX_BITS:
            raise OverflowError
        if exponent < 0:
            return float(base) ** exponent
    result: Number | complex = base**exponent
    if isinstance(result, complex):
        raise ExpressionInvalid(f"{base}**{exponent} is no real number")
    return result


def call_function(name: str, values: list[Number]) -> Number:
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, ValueError) as error:
        arguments = ", ".join(map(str, values))
        raise ExpressionInvalid(f"{name}({arguments}): {error}") from None


def round_number(value: Number, digits: Number) -> Number:
    if not (isinstance(digits, int) and abs(digits) <= MAX_DIGITS):
        raise ValueError(f"digits must be a whole number, and at most {MAX_DIGITS}")
    return round(value, digits) if digits else round(value)


def check_size(value: Number) -> Number:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
    elif value.bit_length() > MAX_BITS:
        raise OverflowError
    return value


def spell_number(value: Number) -> str:
    """Whole numbers in full; others with 15 digits, of which all are right."""
    return str(value) if isinstance(value, int) else f"{value:.15g}"
