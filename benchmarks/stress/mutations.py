"""The small changes to source code that mutants.py tries, each of which a test should notice.

Comparisons and arithmetic by their neighbour, `and` for `or`, a condition negated, `not` and the minus left
out, a number one larger, True for False, a statement or what is returned left out. Left alone is what only
says something: docstrings, annotations, `__all__`, and all inside a `raise`, which may only go as a whole.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Mutation", "mutations"]

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_TEXTS = (ast.JoinedStr,)
"""Python 3.11 does not say where in the file the parts of an f-string are."""
_NOT_RUN = ("annotation", "returns", "decorator_list")


@dataclass(frozen=True)
class Mutation:
    """One change: the bytes from `start` to `end` of a file become `text`.

    Attributes:
        line: where it begins, from 1.
        column: in bytes, from 0.
        words: what becomes what, on one line.
    """

    start: int
    end: int
    text: str
    line: int
    column: int
    words: str

    def applied(self, source: bytes) -> bytes:
        """Give the changed source."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutations(source: bytes) -> list[Mutation]:
    """All changes of a file that Python can compile, in the order of their places."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, text in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        words = " ".join(f"{source[start:end].decode()} -> {text}".split())
        one = Mutation(start, end, text, node.lineno, node.col_offset, words)
        try:
            compile(one.applied(source), "mutant", "exec", dont_inherit=True)
        except SyntaxError:  # a keyword's default, say, where a statement must stand alone
            continue
        found.append(one)
    return sorted(found, key=lambda one: (one.start, one.end, one.text))


def _changes(tree: ast.AST) -> Iterator[tuple[Any, str]]:
    """Each place with what may stand there instead."""
    for node in _that_runs(tree):
        if isinstance(node, ast.expr):
            yield from ((node, f"({text})") for text in _of_expression(node))
        else:
            yield from _of_statement(node)


def _that_runs(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, (ast.Raise, ast.AnnAssign)) or _is_all(node):
        return
    for name, value in ast.iter_fields(node):
        if name in _NOT_RUN:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, _TEXTS):
                yield from _that_runs(child)


def _is_all(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _of_expression(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Compare(left, ops, others):
            for place, op in enumerate(ops):
                swapped = [*ops[:place], _SWAPPED[type(op)](), *ops[place + 1 :]]
                yield ast.unparse(ast.Compare(left, swapped, others))
        case ast.BinOp(left, op, right) if type(op) in _SWAPPED and not (_is_text(left) or _is_text(right)):
            yield ast.unparse(ast.BinOp(left, _SWAPPED[type(op)](), right))
        case ast.BoolOp(op, values):
            yield ast.unparse(ast.BoolOp(_SWAPPED[type(op)](), values))
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield ast.unparse(operand)
        case ast.IfExp(test, body, other):
            yield ast.unparse(ast.IfExp(test, other, body))
        case ast.Constant(bool(value)):
            yield str(not value)
        case ast.Constant(int(value) | float(value)):
            yield str(value + 1)


def _of_statement(node: ast.AST) -> Iterator[tuple[Any, str]]:
    match node:
        case ast.If(test) | ast.While(test):
            yield test, f"(not ({ast.unparse(test)}))"
        case ast.comprehension(ifs=ifs):
            yield from ((test, f"(not ({ast.unparse(test)}))") for test in ifs)
        case ast.Expr(value) if not _is_text(value) and not isinstance(value, (ast.Yield, ast.YieldFrom)):
            yield node, "pass"
        case ast.Raise() | ast.Continue() | ast.Break():
            yield node, "pass"
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case ast.AugAssign(target, op, value):
            yield node, "pass"
            if type(op) in _SWAPPED:
                yield node, ast.unparse(ast.AugAssign(target, _SWAPPED[type(op)](), value))
        case ast.Return(ast.expr() as value) if not isinstance(value, ast.Constant):
            yield node, "return None"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, type(...)))
    )
