"""Conditions written as an expression: read once, evaluated often, by simpleeval, which is imported when one is met.

What an expression may hold is decided here, before simpleeval sees it: numbers, texts, lists, names with steps as
`weather.temperature`, comparisons, + - * / // %, and, or, not, in, `a if b else c`, and a few functions. Anything else
is refused when the file is read.
"""

import ast
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from appliance.errors import RoutineError
from appliance.routines.template import Lookup

MAX_CHARACTERS = 1000
_MAX_NODES = 200

FUNCTIONS: Mapping[str, Any] = {
    "abs": abs, "float": float, "int": int, "len": len, "max": max, "min": min, "round": round, "str": str,
}  # fmt: skip

_ALLOWED = (
    ast.Expression, ast.Expr, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt,
    ast.GtE, ast.In, ast.NotIn, ast.IfExp, ast.Constant, ast.Name, ast.Load, ast.Call, ast.List,
)  # fmt: skip


class Expression:
    """A checked expression.

    Args:
        text: as the owner wrote it.

    Raises:
        PydanticCustomError: it is none that may be used; in plain words.
    """

    __slots__ = ("_evaluator", "_names", "_tree", "names", "text")

    def __init__(self, text: str) -> None:
        from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes

        self.text = text
        self._tree = _Flatten().checked(text)
        self.names = tuple(sorted(_names(self._tree)))
        self._names: dict[str, Any] = {}
        operators = DEFAULT_OPERATORS | {ast.Mod: _remainder}
        self._evaluator = EvalWithCompoundTypes(operators, dict(FUNCTIONS), self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(self, lookup: Lookup) -> Any:
        """The expression's value with the names' values of now.

        Raises:
            RoutineError: a value is missing, or the values do not fit the expression.
        """
        self._names.clear()
        self._names.update({"true": True, "false": False, "none": None})
        self._names.update({name: lookup(name) for name in self.names})
        try:
            return self._evaluator.eval(self.text, previously_parsed=self._tree)
        except RoutineError:
            raise
        except Exception as error:
            # simpleeval and the operators raise whatever the values bring about.
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise RoutineError(f"the expression cannot be evaluated: {words}") from error


def _remainder(left: Any, right: Any) -> Any:
    """Of numbers only: of a text it would be Python's formatting, which can fill the memory."""
    if not isinstance(left, (int, float)):
        raise TypeError("% wants numbers")
    return left % right


class _Flatten(ast.NodeTransformer):
    """Turns `a.b[0]` into one name, so that no attribute is ever looked up; refuses what is not allowed."""

    def checked(self, text: str) -> ast.AST:
        if len(text) > MAX_CHARACTERS:
            raise PydanticCustomError("plain", f"is longer than {MAX_CHARACTERS} characters")
        try:
            tree = self.visit(ast.parse(text.strip(), mode="eval").body)
        except PydanticCustomError:
            raise
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise PydanticCustomError("plain", f"is no expression: {reason}") from error
        nodes = list(ast.walk(tree))
        if len(nodes) > _MAX_NODES:
            raise PydanticCustomError("plain", "is too long; split it into several conditions")
        for node in nodes:
            self._allow(node)
        wrapped: ast.AST = ast.Expr(value=tree)
        return wrapped

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._joined(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._joined(node)

    def _joined(self, node: ast.Attribute | ast.Subscript) -> ast.AST:
        name = _way(node)
        if name is None:
            raise PydanticCustomError("plain", "may look into named values only, as weather.temperature or rooms[0]")
        return ast.copy_location(ast.Name(id=name, ctx=ast.Load()), node)

    @staticmethod
    def _allow(node: ast.AST) -> None:
        if not isinstance(node, _ALLOWED):
            raise PydanticCustomError("plain", f"may not hold {type(node).__name__}")
        if isinstance(node, ast.Constant) and not isinstance(node.value, (str, int, float, bool, type(None))):
            raise PydanticCustomError("plain", "may hold numbers and texts, nothing else")
        if isinstance(node, ast.Call) and (
            not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords
        ):
            raise PydanticCustomError("plain", f"may call {', '.join(FUNCTIONS)}, nothing else")


def _way(node: ast.AST) -> str | None:
    """`a.b.0` of nested attributes and constant subscripts; None of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner, step = _way(node.value), node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        inner, step = _way(node.value), str(node.slice.value)
    else:
        return None
    return f"{inner}.{step}" if inner is not None else None


def _names(tree: ast.AST) -> set[str]:
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    return found - {"true", "false", "none"}
