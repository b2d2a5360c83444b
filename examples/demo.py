"""The demo: a real training goes through a rough spot market and comes out the same to the bit.

    make demo

1. The job is rehearsed: preempted on purpose twice, its weights compared. That opens spot to it.
2. It runs on the rehearsal market: preempted, moved between zones, resumed, in time for its deadline.
3. The same training runs undisturbed, and a third process compares the weights of both.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "out" / "demo"
BIN = Path(sys.executable).parent
JOB = "examples/digits/job.yaml"
STEPS = 1200  # as in the job file


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "SHOESTRING_HOME": str(OUT / "home")}
    say("1. Does this job survive a preemption? Rehearse it: 2 preemptions, then compare the weights.")
    call(["shoestring", "rehearse", JOB, "--steps", "240", "--preemptions", "2"], env)
    say("2. Run it on a rough spot market, where an hour passes in ten seconds.")
    weights = OUT / "preempted.pt"
    market = ["--executor", "rehearsal", "--market", "examples/digits/market.yaml"]
    call(["shoestring", "run", JOB, "--yes", *market, "--env", f"WEIGHTS={weights}"], env)
    say("3. What it cost, and why.")
    call(["shoestring", "receipt"], env)
    say("4. The same training, undisturbed; then a third process reads both results.")
    alone = ["--steps", str(STEPS), "--weights", str(OUT / "alone.pt"), "--print-every", "400"]
    call(["python", "examples/digits/train.py", *alone], env)
    call(["python", "-m", "shoestring.training.digest", str(OUT / "alone.pt"), str(weights)], env)
    return verdict(env, time.monotonic() - started)


def verdict(env: dict[str, str], seconds: float) -> int:
    """Check what the demo promises, from the receipt and the two files; 0 when all of it holds."""
    receipt = json.loads(output(["shoestring", "receipt", "--json"], env))
    digests = output(
        ["python", "-m", "shoestring.training.digest", str(OUT / "alone.pt"), str(OUT / "preempted.pt")], env
    )
    hashes = {line.split()[0] for line in digests.splitlines()}
    promises = {
        "the run succeeded": receipt["state"] == "succeeded",
        f"preempted {receipt['preemptions']} times, at least 2": receipt["preemptions"] >= 2,
        f"moved {receipt['moves']} times, at least once": receipt["moves"] >= 1,
        "in time for its deadline": receipt["in_time"] is not False,
        f"the parts of the cost sum to {receipt['cost_usd']['total']} $": sums_up(receipt["cost_usd"]),
        "weights bit-identical to the undisturbed run": len(hashes) == 1,
    }
    print()
    for text, held in promises.items():
        print(f"  {'✓' if held else '✗'} {text}")
    saved = receipt["saving_usd"]
    print(
        f"\nSaved {saved:.2f} $ of {receipt['baseline']['cost_usd']:.2f} $ ({receipt['baseline']['name']})."
    )
    print(f"Took {seconds:.0f} s. Look further: SHOESTRING_HOME={env['SHOESTRING_HOME']} shoestring explain")
    return 0 if all(promises.values()) else 1


def sums_up(cost: dict[str, float | None]) -> bool:
    """Whether the disjoint parts are the total, within a float's rounding."""
    parts = [value for name, value in cost.items() if name != "total"]
    return None not in parts and abs(sum(p or 0.0 for p in parts) - (cost["total"] or 0.0)) < 1e-9


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def call(command: list[str], env: dict[str, str]) -> None:
    """Run a command of ours in the open; the demo ends where one fails."""
    shown = " ".join(str(word).replace(f"{ROOT}/", "") for word in command)
    print(f"$ {shown}", flush=True)
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, env=env, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def output(command: list[str], env: dict[str, str]) -> str:
    """What a command of ours prints."""
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, env=env, check=True, capture_output=True, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
