"""What metering costs a training loop, beside codecarbon's offline tracker in the same run.

    python bench/meter.py [--seconds 8] [--rounds 5] [--json out.json]

The same work (single-threaded matrix products, a fixed number of them) runs in processes of its own: alone,
inside ``shoestring.meters.track()``, under the runner (meter, log, notices and limits together), and inside
codecarbon's OfflineEmissionsTracker, each sampling every second. The order turns from round to round; figures
are medians. CPU times are the kernel's own, to the nanosecond, so that load beside the benchmark, which makes
wall clocks useless, changes little. codecarbon is installed into ``.venv-bench`` on the first run.

cost: CPU seconds of everything but the loop's own thread, while the loop runs, over the loop's.
loop: CPU seconds of the loop itself; what it has more than alone is time that metering took from it.
start: wall time of the call that starts metering (import not counted); for the runner, from its launch to
the command's: all of Python's start and imports are in it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from _machine import describe

ROOT = Path(__file__).parents[1]
PEER = ROOT / ".venv-bench"
SIZE = 384
GOAL_SHARE, GOAL_START_S = 0.005, 0.05

LOOP = """
import json, os, sys, time
begun = time.perf_counter()
{imports}
import_s = time.perf_counter() - begun
import numpy

def cpu_s(pid):
    "Seconds on a processor of a whole process, threads that have ended included (Linux's clock ids)."
    return time.clock_gettime(((~pid) << 3) | 2)

a = numpy.random.default_rng(0).standard_normal(({size}, {size}), dtype="float32")
products = int(sys.argv[1])
def train():
    b = a
    for _ in range(products):
        b = a @ b
        b /= abs(b).max()

begun = time.perf_counter()
{start}
start_s = time.perf_counter() - begun
me, boss = os.getpid(), {boss}
before, boss_before, children_before = cpu_s(me), cpu_s(boss), os.times()
wall, thread = time.perf_counter(), time.thread_time()
train()
loop_s, wall_s = time.thread_time() - thread, time.perf_counter() - wall
after, boss_after, children = cpu_s(me), cpu_s(boss), os.times()
others = max(0.0, after - before - loop_s) + (boss_after - boss_before if boss != me else 0.0)
others += children.children_user - children_before.children_user
others += children.children_system - children_before.children_system
{stop}
print("RESULT " + json.dumps({{"import_s": import_s, "start_s": start_s, "loop_cpu_s": loop_s,
    "wall_s": wall_s, "other_cpu_s": others, "sampled": {sampled}}}))
"""

OURS = {
    "imports": "from shoestring.meters import track",
    "start": "block = track(every_s=1.0); meter = block.__enter__()",
    "stop": "block.__exit__(None, None, None)",
    "sampled": "meter.totals().cpu_s",
}
CODECARBON = {
    "imports": "from codecarbon import OfflineEmissionsTracker",
    "start": (
        "tracker = OfflineEmissionsTracker(country_iso_code='USA', measure_power_secs=1, save_to_file=False, "
        "log_level='error', allow_multiple_runs=True); tracker.start()"
    ),
    "stop": "kg = tracker.stop()",
    "sampled": "kg",
}


def script(**parts: str) -> str:
    """The loop with a meter around it."""
    nothing = {"imports": "", "start": "", "stop": "", "sampled": "None", "boss": "os.getpid()"}
    return LOOP.format(size=SIZE, **{**nothing, **parts})


def run(python: Path | str, text: str, products: int) -> dict[str, float]:
    """One variant in a process of its own."""
    done = subprocess.run(
        [str(python), "-c", text, str(products)], env=_env(), capture_output=True, text=True, timeout=600
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr[-2000:])
    return _result(done.stdout)


def run_under_the_runner(products: int) -> dict[str, float]:
    """The bare loop, wrapped by the runner: the cost is all that the runner does meanwhile."""
    from shoestring.runner.spool import JobOrder, prepare, read

    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder) / "spool"
        argv = (sys.executable, "-c", script(boss="os.getppid()"), str(products))
        prepare(spool, JobOrder(run_id="bench", attempt_id="bench-1", argv=argv))
        launched = time.time()
        subprocess.run(
            [sys.executable, "-m", "shoestring.runner", str(spool)], env=_env(), check=True, timeout=600
        )
        reading = read(spool)
        assert reading.command_started_at is not None
        return {**_result((spool / "log").read_text()), "start_s": reading.command_started_at - launched}


def peer() -> tuple[Path | None, str]:
    """codecarbon's interpreter and version; None and the reason if it can't be had."""
    python = PEER / "bin/python"
    if not python.exists():
        venv.create(PEER, with_pip=True)
    wanted = ["codecarbon", f"numpy=={metadata.version('numpy')}"]
    asked = "from importlib.metadata import version as v; print(v('codecarbon'), v('numpy'))"
    found = subprocess.run([python, "-c", asked], capture_output=True, text=True)
    if found.returncode != 0:
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *wanted], capture_output=True, text=True, timeout=600
        )
        if done.returncode != 0:
            return None, done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else "pip failed"
        found = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    return python, found.stdout.split()[0]


def products_for(seconds: float) -> int:
    """How many products take so long here."""
    probe = run(sys.executable, script(), 200)
    return max(200, int(200 * seconds / probe["loop_cpu_s"]))


def _env() -> dict[str, str]:
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": str(ROOT / "src")}


def _result(text: str) -> dict[str, float]:
    (line,) = [line for line in text.splitlines() if line.startswith("RESULT ")]
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return result


def measure(seconds: float, rounds: int) -> dict[str, object]:
    """All variants, ``rounds`` times each."""
    products = products_for(seconds)
    variants: dict[str, Callable[[], dict[str, float]]] = {
        "no meter": lambda: run(sys.executable, script(), products),
        "shoestring track()": lambda: run(sys.executable, script(**OURS), products),
        "shoestring runner": lambda: run_under_the_runner(products),
    }
    python, version = peer()
    if python is not None:
        variants[f"codecarbon {version}"] = lambda: run(python, script(**CODECARBON), products)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            results[name].append(variants[name]())
    table = {}
    for name, rows in results.items():
        middle = {key: statistics.median(row[key] for row in rows) for key in rows[0] if key != "sampled"}
        table[name] = {**middle, "share": statistics.median(r["other_cpu_s"] / r["loop_cpu_s"] for r in rows)}
    return {
        "table": table,
        "rounds": results,
        "products": products,
        "matrix": SIZE,
        "seed": 0,
        "peer_missing": None if python is not None else version,
        "machine": describe("numpy", "psutil"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="CPU seconds of the loop (8)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    result = measure(given.seconds, given.rounds)
    print(f"{'':<24}{'import s':>10}{'start s':>10}{'loop CPU s':>12}{'other CPU s':>13}{'cost':>9}")
    for name, row in result["table"].items():  # type: ignore[attr-defined]
        print(
            f"{name:<24}{row['import_s']:>10.3f}{row['start_s']:>10.4f}{row['loop_cpu_s']:>12.2f}"
            f"{row['other_cpu_s']:>13.4f}{row['share']:>9.3%}"
        )
    if result["peer_missing"] is not None:
        print(f"codecarbon               peer missing: {result['peer_missing']}")
    print(
        f"goal: cost under {GOAL_SHARE:.1%} of the loop's CPU, start of track() under {GOAL_START_S * 1000:.0f} ms"
    )
    if given.json:
        given.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
