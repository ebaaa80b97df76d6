import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.tooling.child import InvalidArguments, run_tool
from tools.calculator import Calculator, ExpressionInvalid, calculate


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 3 * 4", "14"),
        (" (2 + 3)\n * 4 ", "20"),
        ("7 // 2 + 7 % 4 - -1", "7"),
        ("2 ** 10", "1024"),
        ("2 ** -2", "0.25"),
        ("2 ** 0.5", "1.4142135623731"),
        ("0.1 + 0.2", "0.3"),
        ("1e3 / 4", "250"),
        ("round(2.567, 2) + round(1.5)", "4.57"),
        ("max(1, sqrt(16), 3) - abs(-2)", "2"),
        ("log10(1000) + ln(e) + floor(2.9) + ceil(2.1)", "9"),
        ("sin(pi / 2)", "1"),
        ("2 ** 4000", str(2**4000)),
        ("1_000 * 2", "2000"),
    ],
)
def test_calculates(expression: str, result: str) -> None:
    assert run_tool(Calculator(), {"expression": expression}) == result


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("2 +", "'2 +' is not an arithmetic expression"),
        ("1 / 0", "a division by zero"),
        ("0 ** -1", "a division by zero"),
        ("9 ** 9 ** 9", "the result is too large"),
        ("2 ** 4000 * 2 ** 4000", "the result is too large"),
        ("10.0 ** 400", "the result is too large"),
        ("1e308 * 10", "the result is too large"),
        ("exp(1000)", "the result is too large"),
        ("(-8) ** 0.5", "-8**0.5 is no real number"),
        ("sqrt(-1)", "sqrt(-1): math domain error"),
        (
            "round(1, -10**9)",
            "round(1, -1000000000): digits must be a whole number, and at most 300",
        ),
        ("sqrt(1, 2)", "sqrt(1, 2): math.sqrt() takes exactly one argument (2 given)"),
        ("__import__('os')", "'__import__('os')' is not arithmetic that is known here"),
        ("(1).real", "'1 .real' is not arithmetic that is known here"),
        ("x + 1", "'x' is not arithmetic that is known here"),
        ("True + 1", "'True' is not arithmetic that is known here"),
        ("[1] * 9", "'[1]' is not arithmetic that is known here"),
        ("'a' * 9", "''a'' is not arithmetic that is known here"),
        ("1 if 2 else 3", "'1 if 2 else 3' is not arithmetic that is known here"),
        ("max(*[1])", "'*[1]' is not arithmetic that is known here"),
        ("-" * 100 + "1", "the expression is nested more than 50 deep"),
        ("(" * 400 + "1", "is not an arithmetic expression"),
    ],
)
def test_says_what_it_does_not_calculate(expression: str, said: str) -> None:
    with pytest.raises(ExpressionInvalid) as raised:
        calculate(expression)
    assert str(raised.value).endswith(said)


def test_an_expression_is_not_endless() -> None:
    with pytest.raises(InvalidArguments, match=r"^expression: String should have at most 500 char"):
        run_tool(Calculator(), {"expression": "1+" * 300 + "1"})


@given(st.text(alphabet="0123456789.+-*/%() elnpiabsroud,", max_size=60))
def test_any_text_has_a_number_or_an_error_soon(text: str) -> None:
    try:
        value = calculate(text)
    except ExpressionInvalid:
        return
    assert isinstance(value, int) or math.isfinite(value)
