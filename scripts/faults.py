"""Small faults in Python source: where one can be put, and what it is called."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One place of a file that can be changed.

    Attributes:
        lines: from the beginning of its statement on: Python does not tell every line that it runs.
        in_function: in the body of one, whose code can be swapped.
    """

    file: Path
    number: int
    line: int
    lines: range
    text: str
    in_function: bool


def faults(files: list[Path]) -> Iterator[Fault]:
    for file in files:
        source = file.read_text(encoding="utf-8")
        lines, tree = source.splitlines(), ast.parse(source)
        inside = {
            id(inner)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for statement in function.body
            for inner in ast.walk(statement)
        }
        begins = {  # later ones lie deeper
            id(inner): statement.lineno
            for statement in ast.walk(tree)
            if isinstance(statement, ast.stmt)
            for inner in ast.walk(statement)
        }
        for number, (node, _) in enumerate(places(tree)):
            line, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
            yield Fault(
                file=file,
                number=number,
                line=line,
                lines=range(begins[id(node)], end + 1),
                text=lines[line - 1].strip(),
                in_function=id(node) in inside,
            )


def mutated(fault: Fault) -> tuple[ast.Module, str]:
    """The tree of the file with the fault in it, and the fault in words."""
    tree = ast.parse(fault.file.read_text(encoding="utf-8"))
    node, which = list(places(tree))[fault.number]
    said = change(node, which)
    return ast.fix_missing_locations(tree), said


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, int]]:
    """(node, which operator of a comparison) of everything that can be changed.

    Not texts, annotations or decorators: `frozen=True` guards against mistakes that no test should make.
    """
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        for part in (
            getattr(node, "annotation", None),
            getattr(node, "returns", None),
            *getattr(node, "decorator_list", ()),
        )
        if part is not None
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Compare):
            yield from ((node, n) for n, op in enumerate(node.ops) if type(op) in SWAPS)
        elif _can_change(node):
            yield node, 0


def _can_change(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        return type(node.op) in SWAPS and not (isinstance(node, ast.BinOp) and _is_text(node))
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not | ast.USub)
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float, bool)
    return isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value)


def change(node: ast.AST, which: int) -> str:
    """Put the fault in; what it is, in words."""
    if isinstance(node, ast.Compare):
        old = node.ops[which]
        node.ops[which] = SWAPS[type(old)]()  # type: ignore[call-overload]
        return f"{type(old).__name__} -> {type(node.ops[which]).__name__}"
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        before = type(node.op)
        node.op = SWAPS[before]()  # type: ignore[assignment]
        return f"{before.__name__} -> {type(node.op).__name__}"
    if isinstance(node, ast.UnaryOp):
        name = type(node.op).__name__
        node.op = ast.UAdd() if name == "USub" else ast.Not()
        if name == "Not":
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
        return f"no {name}"
    if isinstance(node, ast.Constant):
        old_value = node.value
        node.value = (not old_value) if isinstance(old_value, bool) else old_value + 1  # type: ignore[operator]
        return f"{old_value} -> {node.value}"
    assert isinstance(node, ast.Return) and node.value is not None
    # The value is still computed: a closure then keeps its free variables, and its code can be swapped.
    pair = ast.Tuple(elts=[node.value, ast.Constant(None)], ctx=ast.Load())
    node.value = ast.Subscript(value=pair, slice=ast.Constant(1), ctx=ast.Load())
    return "returns None"


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str))
        for s in sides
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
