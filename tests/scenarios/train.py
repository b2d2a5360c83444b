"""A training in plain Python: counts, saves by itself, tells its steps; no torch, so that tests are quick.

It writes checkpoints as foreign frameworks do (a folder for each, a marker last) and resumes from the newest.
With GATE, it trains no further than halfway before a file of that name is there.
The "weights" are a hash chain over the steps: any step lost, doubled or reordered gives another result.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from shoestring.training import attach

STEPS = int(os.environ.get("STEPS", "60"))
STEP_S = float(os.environ.get("STEP_S", "0.03"))
EVERY = int(os.environ.get("EVERY", "5"))
folder = Path(os.environ.get("SHOESTRING_CHECKPOINT_DIR", sys.argv[1] if len(sys.argv) > 1 else "ckpt"))


def newest() -> tuple[int, str]:
    whole = [p.parent for p in folder.glob("step-*/DONE")]
    if not whole:
        return 0, "seed"
    last = max(whole, key=lambda p: int(p.name.split("-")[1]))
    state = json.loads((last / "state.json").read_text())
    return state["step"], state["weights"]


def save(step: int, weights: str) -> None:
    target = folder / f"step-{step}"
    target.mkdir(parents=True, exist_ok=True)
    (target / "state.json").write_text(json.dumps({"step": step, "weights": weights}))
    (target / "DONE").touch()


stopping = []
signal.signal(signal.SIGTERM, lambda *a: stopping.append(True))
run = attach()
step, weights = newest()
run.resumed(step)
print(f"from step {step}", flush=True)
while step < STEPS:
    time.sleep(STEP_S)
    while (
        step >= STEPS // 2 and "GATE" in os.environ and not Path(os.environ["GATE"]).exists() and not stopping
    ):
        time.sleep(STEP_S)
    weights = hashlib.sha256(f"{weights}{step}".encode()).hexdigest()
    step += 1
    run.step(step, total_steps=STEPS, loss=1 / step)
    if step % EVERY == 0 or stopping:
        save(step, weights)
    if stopping:
        run.flush()
        sys.exit(85)
    if os.environ.get("CRASH_AT") == str(step):
        raise RuntimeError("as asked")
save(step, weights)
run.flush()
print(f"done {weights}", flush=True)
