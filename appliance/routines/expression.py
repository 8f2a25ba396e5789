"""Conditions written as an expression: read and compiled once, evaluated often.

What an expression may hold is decided here, before anything is compiled: numbers, texts, lists, names with steps as
`weather.temperature`, comparisons, + - * / // %, and, or, not, in, `a if b else c`, and a few functions. Anything else
is refused when the file is read. Arithmetic goes through simpleeval's operators, which refuse texts and lists that
would fill the memory; simpleeval is imported when an expression is met. Its own evaluator walks the tree each time,
which is ten times slower; the tests hold both to the same answers.
"""

import ast
import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import PydanticCustomError

from appliance.errors import RoutineError

MAX_CHARACTERS = 1000
_MAX_NODES = 200

FUNCTIONS: Mapping[str, Any] = {
    "abs": abs, "float": float, "int": int, "len": len, "max": max, "min": min, "round": round, "str": str,
}  # fmt: skip

_WORDS = {"true": True, "false": False, "none": None}
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp,
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

    __slots__ = ("_function", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        tree = _Flatten().checked(text)
        self.names = tuple(sorted(_names(tree)))
        """What `value` wants the values of, each name with its steps."""
        self._function = _compiled(tree, self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def value(self, values: Iterable[Any]) -> Any:
        """The expression's value.

        Args:
            values: those of `names`, in their order.

        Raises:
            RoutineError: the values do not fit the expression.
        """
        try:
            return self._function(*values)
        except RoutineError:
            raise
        except Exception as error:
            # The operators raise whatever the values bring about.
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise RoutineError(f"the expression cannot be evaluated: {words}") from error


def _compiled(tree: ast.expr, names: Sequence[str]) -> Callable[..., Any]:
    """A function of the names' values. Only what `_Flatten` has let pass may come here."""
    parameters = {name: f"value_{place}" for place, name in enumerate(names)}
    body = _Guarded(parameters).visit(tree)
    arguments = [ast.arg(parameter) for parameter in parameters.values()]
    function = ast.Expression(
        ast.Lambda(ast.arguments([], arguments, kwonlyargs=[], kw_defaults=[], defaults=[]), body)
    )
    code = compile(ast.fix_missing_locations(function), "<expression>", "eval")
    made: Callable[..., Any] = eval(code, _surroundings())  # noqa: S307  the tree was checked node by node
    return made


@functools.cache
def _surroundings() -> dict[str, Any]:
    """All that a compiled expression can name besides its values; one for all of them."""
    from simpleeval import DEFAULT_OPERATORS

    operators = {kind.__name__: (DEFAULT_OPERATORS | NUMBERS_ONLY)[kind] for kind in _ARITHMETIC}
    return {"__builtins__": {}, **FUNCTIONS, **operators}


class _Guarded(ast.NodeTransformer):
    """Turns arithmetic into calls of guarded operators, and names into parameters."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        sides = [self.visit(node.left), self.visit(node.right)]
        return ast.Call(ast.Name(type(node.op).__name__, ast.Load()), sides, [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Call(node.func, [self.visit(each) for each in node.args], [])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in _WORDS:
            return ast.Constant(_WORDS[node.id])
        return ast.Name(self._parameters[node.id], ast.Load())


def _of_numbers(sign: str, operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The operation, of numbers only: a text or a list times another's length, or formatted, can fill the memory."""

    def guarded(left: Any, right: Any) -> Any:
        if not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
            raise TypeError(f"{sign} wants numbers")
        return operation(left, right)

    return guarded


NUMBERS_ONLY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Mult: _of_numbers("*", operator.mul),
    ast.Mod: _of_numbers("%", operator.mod),
}


class _Flatten(ast.NodeTransformer):
    """Turns `a.b[0]` into one name, so that no attribute is ever looked up; refuses what is not allowed."""

    def checked(self, text: str) -> ast.expr:
        if len(text) > MAX_CHARACTERS:
            raise PydanticCustomError("plain", f"is longer than {MAX_CHARACTERS} characters")
        try:
            tree: ast.expr = self.visit(ast.parse(text.strip(), mode="eval").body)
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
        return tree

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
    return found - set(_WORDS)
