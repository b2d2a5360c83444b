"""Do the tests notice? Small faults are put into the code, one at a time, and the tests that run its line are run.

    python scripts/mutants.py ledger [supervisor ...] [--sample N] [--seed S] [--again] [--control]

Faults: a comparison, an operator of arithmetic or logic, a constant, a negation or a returned value is changed.
pytest collects once. The tests run once with the lines that each of them executes recorded; then one process is
forked for each fault, which swaps the code of the function in memory and runs the tests of that line, fastest
first, to the first failure. A fault outside functions (a constant, a default) takes a new pytest on a changed copy
of the sources. A fault is killed if a test fails, or takes ten times its processor time and more.

Results are kept as they come in out/mutants.jsonl, and a run that was cut short goes on where it was; ``--again``
tries once more what lived. ``--control`` swaps the same code in without any fault: then nothing may be killed, or the
score would count tests that fail by themselves. Living faults that no test can notice are listed with their reason
in scripts/equivalent_mutants.txt; the score is given with them as living, and without them.
"""

import argparse
import ast
import gc
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest

from faults import Fault, faults, mutated

ROOT = Path(__file__).resolve().parents[1]
TESTS = {  # the tests that answer for a room
    "ledger": [
        "tests/ledger",
        *(
            f"tests/workflows/test_{verb}.py"
            for verb in ("allocation", "budgets", "trackers", "unit_costs", "waste", "shared_cost")
        ),
    ],
    "supervisor": ["tests/supervisor", "tests/faults/test_crash.py", "tests/swarm/test_golden.py"],
}
OUT = ROOT / "out/mutants.jsonl"
EQUIVALENT = ROOT / "scripts/equivalent_mutants.txt"
Tests = dict[str, dict[str, list[str]]]  # file -> line -> tests that run it


class Mutants:
    """A pytest plugin: in place of the run of the collected tests, one for each fault."""

    def __init__(
        self, chosen: list[Fault], known: dict[str, bool], *, jobs: int, out: Path, control: bool
    ) -> None:
        self.chosen, self.known, self.jobs, self.out, self.control = chosen, known, jobs, out, control
        self.failed = False
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_collection(self) -> None:  # after tests/conftest.py: the same examples each time, none kept
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutants", deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate),
        )  # fmt: skip
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed
        self.seconds[report.nodeid] += report.duration

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        session.config.pluginmanager.unregister(name="terminalreporter")
        tests, self.seconds = self._recorded(items)
        code = _code_by_function()
        gc.freeze()
        waiting = [fault for fault in self.chosen if key(fault) not in self.known]
        running: dict[int, tuple[Fault, float]] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                fault = waiting.pop(0)
                names = self._tests_of(fault, tests)
                pid = _fork(lambda f=fault, n=names: self._killed(f, [items[x] for x in n], code))  # type: ignore[misc]
                running[pid] = (fault, 60 + 10 * sum(self.seconds[name] for name in names))
            self._reap(running)
        return True

    def _recorded(self, items: dict[str, pytest.Item]) -> tuple[Tests, dict[str, float]]:
        """Which tests run which line, and how long each takes: measured in a process of its own, and kept."""
        measured = [f for part in ("src", "tests") for f in sorted((ROOT / part).rglob("*.py"))]
        digest = hashlib.sha256("".join(items).encode() + b"".join(f.read_bytes() for f in measured))
        kept = OUT.with_name(f"mutants-tests-{digest.hexdigest()[:12]}.json")
        if not kept.exists():
            pid = _fork(lambda: self._record(items, kept))
            assert os.waitpid(pid, 0)[1] == 0, "the tests must pass before faults are put in"
        tests, seconds = json.loads(kept.read_text(encoding="utf-8"))
        return tests, defaultdict(float, seconds)

    def _record(self, items: dict[str, pytest.Item], to: Path) -> bool:
        measured = coverage.Coverage(data_file=None, include=[str(ROOT / "src/*")])
        measured.start()
        self._run(list(items.values()), before=measured.switch_context)
        measured.stop()
        data, lines = measured.get_data(), {}
        for file in data.measured_files():
            by_line = data.contexts_by_lineno(file).items()
            lines[file] = {str(n): [t for t in names if t in items] for n, names in by_line}
        if not self.failed:
            to.write_text(json.dumps([lines, self.seconds]), encoding="utf-8")
        return self.failed

    def _tests_of(self, fault: Fault, tests: Tests) -> list[str]:
        lines = tests.get(str(fault.file), {})
        if fault.in_function:
            names = {name for line in fault.lines for name in lines.get(str(line), ())}
        else:
            names = {name for of_line in lines.values() for name in of_line}
        return sorted(names, key=lambda name: (self.seconds[name], name))

    def _killed(self, fault: Fault, items: list[pytest.Item], code: dict[object, list[FunctionType]]) -> bool:
        tree = ast.parse(fault.file.read_text(encoding="utf-8")) if self.control else mutated(fault)[0]
        if not fault.in_function:
            return _killed_afresh(fault, tree, [item.nodeid for item in items])
        for new in _codes(compile(tree, str(fault.file), "exec")):
            for function in code.get((str(fault.file), new.co_qualname, new.co_firstlineno), ()):
                function.__code__ = new
        self._run(items)
        return self.failed

    def _run(self, items: list[pytest.Item], before: Callable[[str], object] = str) -> None:
        known = dict(self.seconds)
        for item, after in zip(items, [*items[1:], None], strict=True):
            before(item.nodeid)
            # Processor time, whose end is the process's: a test that never ends has noticed, too.
            signal.setitimer(signal.ITIMER_PROF, 10 + 10 * known.get(item.nodeid, 60.0))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if self.failed:
                return

    def _reap(self, running: dict[int, tuple[Fault, float]]) -> None:
        time.sleep(0.01)
        for pid, (fault, left_s) in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            # Counted by looks, not by the clock: a run that was suspended for an hour hangs no longer than before.
            running[pid] = (fault, left_s - 0.002)
            if not ended and left_s < 0:
                os.kill(pid, 9)
            if ended:
                del running[pid]
                self.known[key(fault)] = status != 0
                with self.out.open("a") as out:
                    record = {"key": key(fault), "fault": mutated(fault)[1], "killed": status != 0}
                    out.write(json.dumps(record) + "\n")


def key(fault: Fault) -> str:
    """Names a fault in one state of its file: after a change of the file it is another."""
    digest = hashlib.sha256(fault.file.read_bytes()).hexdigest()[:8]
    return f"{fault.file.relative_to(ROOT)}:{fault.line}#{fault.number}@{digest}"


def _fork(work: Callable[[], bool]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        status = int(work())
    finally:
        os._exit(status)


def _code_by_function() -> dict[object, list[FunctionType]]:
    found: dict[object, list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType):
            code = thing.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(thing)
    return found


def _codes(code: CodeType) -> list[CodeType]:
    inner = [c for const in code.co_consts if isinstance(const, CodeType) for c in _codes(const)]
    return [code, *inner]


def _killed_afresh(fault: Fault, tree: ast.Module, names: list[str]) -> bool:
    """The fault lives in a copy of the sources; the tree itself is never touched."""
    if not names:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / fault.file.relative_to(ROOT / "src")).write_text(ast.unparse(tree), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names],
            cwd=ROOT,
            env=os.environ
            | {"PYTHONPATH": f"{copy}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", "CI": ""},
            capture_output=True,
            check=False,
        )
        return done.returncode != 0


def equivalent() -> dict[tuple[str, str, str], str]:
    """(file, line's text, fault) -> why no test can notice it."""
    listed = {}
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            file, text, said, reason = (part.strip() for part in line.split(" ¦ "))
            listed[file, text, said] = reason
    return listed


def wilson(killed: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share, n = killed / of, of
    middle, half = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def report(room: str, chosen: list[Fault], known: dict[str, bool], total: int) -> None:
    listed, excused = equivalent(), 0
    living = [fault for fault in chosen if not known[key(fault)]]
    for fault in living:
        name, said = str(fault.file.relative_to(ROOT)), mutated(fault)[1]
        reason = listed.get((name, fault.text, said))
        excused += reason is not None
        print(f"  {'equal' if reason else 'lives'}: {name}:{fault.line} {said}: {reason or fault.text}")
    killed, tried = len(chosen) - len(living), len(chosen)
    low, high = wilson(killed, tried)
    sampled = "" if tried == total else f" (95 % {low:.1%} to {high:.1%})"
    print(f"{room}: {killed} of {tried} faults killed = {killed / tried:.1%}{sampled}; {total:,} in all")
    print(
        f"{room}: {killed} of {tried - excused} = {killed / (tried - excused):.1%} without {excused} equivalent"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rooms", nargs="+", choices=sorted(TESTS))
    parser.add_argument("--sample", type=int, help="so many of each room, drawn by the seed; otherwise all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", nargs="+", default=["*"], help="only these files of the room (patterns)")
    parser.add_argument("--tests", nargs="+", help="instead of the room's own")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="try once more what lived")
    parser.add_argument("--control", action="store_true", help="without faults: all must live")
    given = parser.parse_args()
    out = OUT.with_name("mutants-control.jsonl") if given.control else OUT
    out.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, bool] = {}
    if out.exists():
        known = {r["key"]: r["killed"] for r in map(json.loads, out.read_text().splitlines())}
    if given.again:
        known = {name: killed for name, killed in known.items() if killed}
    for room in given.rooms:
        folder = ROOT / "src/shoestring" / room
        chosen = list(faults(sorted({f for pattern in given.files for f in folder.glob(f"{pattern}.py")})))
        total = len(chosen)
        if given.sample is not None:
            chosen = random.Random(given.seed).sample(chosen, min(given.sample, total))
        if any(key(fault) not in known for fault in chosen):
            plugin: Any = Mutants(chosen, known, jobs=given.jobs, out=out, control=given.control)
            options = ["-q", "-p", "no:cacheprovider", "--timeout", "0", "--rootdir", str(ROOT)]
            os.chdir(ROOT)
            if pytest.main([*options, *(given.tests or TESTS[room])], plugins=[plugin]):
                sys.exit("the tests could not be collected or run")
        report(room, chosen, known, total)


if __name__ == "__main__":
    main()
