"""Do the tests notice? Small faults are put into the code, one at a time, and the room's tests are run.

    python scripts/mutants.py ledger [supervisor ...] [--sample N] [--seed S] [--out out/mutants.jsonl]

Faults: a comparison, an operator of arithmetic or logic, a constant, a negation or a returned value is changed. Without
``--sample`` all are tried, which takes hours. Results are kept as they come, and a run that was cut short goes on
where it was. A fault is killed if a test fails or hangs; those that live are named with their line.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = {  # the tests that answer for a room
    "ledger": ["tests/ledger", "tests/store", "tests/workflows/test_allocation.py"],
    "supervisor": ["tests/supervisor", "tests/scenarios", "tests/faults/test_crash.py"],
}
SECONDS = 300  # for one fault; a clean run takes a tenth
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


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
    assert isinstance(node, ast.Return)
    node.value = ast.Constant(None)
    return "returns None"


def faults(room: str) -> Iterator[tuple[str, Path, int]]:
    """(id, file, number of the place) of every fault of a room."""
    for file in sorted((ROOT / "src/shoestring" / room).rglob("*.py")):
        for number, (node, which) in enumerate(places(ast.parse(file.read_text(encoding="utf-8")))):
            line = getattr(node, "lineno", 0)
            yield f"{file.relative_to(ROOT)}:{line}#{number}.{which}", file, number


def mutated(file: Path, number: int) -> tuple[str, str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    node, which = list(places(tree))[number]
    said = change(node, which)
    return ast.unparse(ast.fix_missing_locations(tree)), said


def killed(tests: list[str], file: Path, text: str) -> bool:
    """Whether the tests notice, those of the file's own name first.

    The fault lives in a copy of the sources; the tree itself is never touched.
    """
    near = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob(f"test_{file.stem}*.py"))
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / file.relative_to(ROOT / "src")).write_text(text, encoding="utf-8")
        paths = f"{copy}{os.pathsep}{ROOT}"
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *near, *tests],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rooms", nargs="+", choices=sorted(TESTS))
    parser.add_argument("--sample", type=int, help="so many of each room, drawn by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", nargs="+", help="instead of the room's own")
    parser.add_argument("--out", type=Path, default=ROOT / "out/mutants.jsonl")
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    if given.out.exists():
        known = {r["id"]: r for r in map(json.loads, given.out.read_text().splitlines())}
    for room in given.rooms:
        chosen = list(faults(room))
        total = len(chosen)
        if given.sample is not None:
            chosen = random.Random(given.seed).sample(chosen, min(given.sample, total))
        living = []
        for name, file, number in chosen:
            text, said = mutated(file, number)
            if name not in known:
                dead = killed(given.tests or TESTS[room], file, text)
                known[name] = {"id": name, "fault": said, "killed": dead}
                with given.out.open("a") as out:
                    out.write(json.dumps(known[name]) + "\n")
            if not known[name]["killed"]:
                living.append(f"{name}: {said}")
        dead_count = len(chosen) - len(living)
        print(
            f"{room}: {dead_count} of {len(chosen)} killed = {dead_count / len(chosen):.1%} ({total:,} faults in all)"
        )
        print("".join(f"  lives: {line}\n" for line in living), end="")


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str))
        for s in sides
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


if __name__ == "__main__":
    main()
