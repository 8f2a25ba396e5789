"""Compiled expressions beside simpleeval's own evaluator, which walks the tree."""

import ast
import random

import pytest
from pydantic_core import PydanticCustomError
from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes

from appliance.errors import RoutineError
from appliance.routines.expression import FUNCTIONS, NUMBERS_ONLY, Expression, _Flatten

LEAVES = ["x", "y.a", "z[0]", "true", "none", "3", "0", "2.5", "'ab'", "''", "[1, 'a']", "-7"]
VALUES = [0, 1, -3, 2.5, True, None, "", "ab", "7", [], [1, "a"], {"a": 1}, 10**30, "x" * 60_000]


def drawn(pick, depth):
    """The text of an expression that is allowed, whether or not values fit it."""
    if depth == 0 or pick.random() < 0.2:
        return pick.choice(LEAVES)
    a, b, c = (drawn(pick, depth - 1) for _ in range(3))
    kind = pick.randrange(6)
    if kind == 0:
        return f"({a} {pick.choice(['+', '-', '*', '/', '//', '%'])} {b})"
    if kind == 1:
        compare = pick.choice(["<", "<=", "==", "!=", ">=", ">", "in", "not in"])
        return f"({a} {compare} {b} {pick.choice(['<', '=='])} {c})"
    if kind == 2:
        return f"({a} {pick.choice(['and', 'or'])} {b})"
    if kind == 3:
        return f"({a} if {b} else {c})"
    if kind == 4:
        return f"({pick.choice(['not ', '-', '+'])}{a})"
    return f"{pick.choice(list(FUNCTIONS))}({a})"


def walked(text, names):
    evaluator = EvalWithCompoundTypes(DEFAULT_OPERATORS | NUMBERS_ONLY, dict(FUNCTIONS), names)
    return evaluator.eval(text, previously_parsed=ast.Expr(value=_Flatten().checked(text)))


def outcome(evaluate):
    """The value with its type, or that there is none."""
    try:
        value = evaluate()
    except Exception:  # noqa: BLE001
        return "fails"
    return type(value), repr(value)


def test_it_says_what_simpleeval_says():
    pick, ended = random.Random(7), {"fails": 0, "value": 0}
    for _ in range(1500):
        text = drawn(pick, 3)
        values = {name: pick.choice(VALUES) for name in ("x", "y.a", "z.0")}
        expression = Expression(text)
        names = values | {"true": True, "false": False, "none": None}
        wanted = outcome(lambda: walked(text, names))  # noqa: B023
        assert outcome(lambda: expression.value([values[name] for name in expression.names])) == wanted, text  # noqa: B023
        ended["fails" if wanted == "fails" else "value"] += 1
    assert min(ended.values()) > 150


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x * 1000000", "ab"),
        ("x * x", "a" * 60_000),
        ("x + x", "a" * 60_000),
        ("[1] * x", 10**6),
        ("x % 3", "%999999999d"),
    ],
)
def test_nothing_fills_the_memory(text, value):
    with pytest.raises(RoutineError, match="cannot be evaluated"):
        Expression(text).value([value])


@pytest.mark.parametrize(
    "text",
    ["x.__class__()", "(lambda: 1)()", "__import__('os')", "x[y]", "{1: 2}", "f'{x}'", "abs(*x)", "(x := 1)", "9 ** 9"],
)
def test_nothing_else_is_compiled(text):
    with pytest.raises(PydanticCustomError):
        Expression(text)


def test_an_expression_knows_no_builtins():
    # A name that is not called is a value's name, whatever Python calls so.
    expression = Expression("open == 1 and Add == 2")
    assert expression.names == ("Add", "open")
    assert expression.value([2, 1]) is True
